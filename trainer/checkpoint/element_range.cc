#include "trainer/checkpoint/element_range.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

// The columns [begin, end) of a row that a range has, and where the first one lies in the range.
struct RowPart {
  int64_t begin = 0, end = 0, at = 0;
};

RowPart PartOfRow(const ElementRange& range, const ColumnRange& columns, int64_t row) {
  const int64_t first = row * columns.size();
  const int64_t from = std::max(range.begin, first);
  const int64_t to = std::min(range.end, first + columns.size());
  return {columns.begin + from - first, columns.begin + to - first, from - range.begin};
}

}  // namespace

std::string RangeText(const ElementRange& range) {
  const std::string elements = absl::StrCat("[", range.begin, ", ", range.end, ")");
  if (!range.columns) return elements;
  return absl::StrCat(elements, " of columns [", range.columns->begin, ", ", range.columns->end,
                      ")");
}

std::vector<SharedRun> SharedRuns(const ElementRange& a, const ElementRange& b,
                                  int64_t num_columns) {
  // The same columns, or none, are one order of elements.
  if (a.columns == b.columns) {
    const int64_t from = std::max(a.begin, b.begin), to = std::min(a.end, b.end);
    if (from >= to) return {};
    return {{from - a.begin, from - b.begin, to - from}};
  }
  const ColumnRange all{0, num_columns};
  const ColumnRange a_columns = a.columns.value_or(all), b_columns = b.columns.value_or(all);
  if (a.begin >= a.end || b.begin >= b.end) return {};
  const int64_t first_row = std::max(a.begin / a_columns.size(), b.begin / b_columns.size());
  const int64_t last_row = std::min((a.end - 1) / a_columns.size(), (b.end - 1) / b_columns.size());
  std::vector<SharedRun> runs;
  for (int64_t row = first_row; row <= last_row; ++row) {
    const RowPart in_a = PartOfRow(a, a_columns, row), in_b = PartOfRow(b, b_columns, row);
    const int64_t from = std::max(in_a.begin, in_b.begin), to = std::min(in_a.end, in_b.end);
    if (from >= to) continue;
    runs.push_back({in_a.at + from - in_a.begin, in_b.at + from - in_b.begin, to - from});
  }
  return runs;
}

}  // namespace deduce
