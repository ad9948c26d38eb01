// Which elements of a logical tensor a slice has: what ranks hold of a matrix that is split by rows
// or by columns, and what files store of it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace deduce {

// A run of a matrix's columns.
struct ColumnRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  auto operator<=>(const ColumnRange&) const = default;
};

// Elements [begin, end) of a tensor in row-major order; with columns, of the matrix that these
// columns of it are.
struct ElementRange {
  int64_t begin = 0, end = 0;
  std::optional<ColumnRange> columns;
};

// "[0, 6)", or "[0, 6) of columns [4, 8)".
std::string RangeText(const ElementRange& range);

// Elements that lie one after another in both of two ranges; offsets are from their begins.
struct SharedRun {
  int64_t in_a = 0, in_b = 0, count = 0;
};

// What two ranges of one tensor share, in order; none if nothing. num_columns: the tensor's last
// dimension; unused if neither range has columns, which must lie within it.
std::vector<SharedRun> SharedRuns(const ElementRange& a, const ElementRange& b,
                                  int64_t num_columns);

}  // namespace deduce
