#include "data/records/row_filter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

// 7,473.
std::string Grouped(int64_t count) {
  std::string digits = absl::StrCat(count);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(digits.begin() + at, ',');
  return digits;
}

// ", 12 too long (first: REASON)", or nothing.
std::string LeftOutText(const RowReport& report, bool too_long) {
  const int64_t count = too_long ? report.NumTooLong() : report.NumBad();
  if (count == 0) return "";
  const auto first = std::find_if(report.left_out.begin(), report.left_out.end(),
                                  [&](const auto& row) { return row.second.too_long == too_long; });
  return absl::StrCat(", ", Grouped(count), too_long ? " too long" : " bad",
                      " (first: ", first->second.reason, ")");
}

}  // namespace

int64_t RowReport::NumTooLong() const {
  return std::count_if(left_out.begin(), left_out.end(),
                       [](const auto& row) { return row.second.too_long; });
}

std::string RowReport::Text() const {
  return absl::StrCat(Grouped(num_rows), num_rows == 1 ? " row" : " rows", LeftOutText(*this, true),
                      LeftOutText(*this, false), left_out.empty() ? "" : " left out",
                      remark.empty() ? "" : "; ", remark);
}

RowFilter::RowFilter(const DataConfig& config, int64_t num_rows, RowReport before)
    : drop_too_long_(config.drop_too_long()),
      drop_bad_(config.drop_bad_rows()),
      report_(std::move(before)) {
  report_.num_rows = num_rows;
}

absl::StatusOr<bool> RowFilter::Uses(int64_t row, const absl::Status& status) {
  if (status.ok()) return true;
  const bool too_long = absl::IsOutOfRange(status);
  const bool drop = too_long ? drop_too_long_ : drop_bad_ && absl::IsInvalidArgument(status);
  if (!drop) return status;
  report_.left_out[row] = {too_long, std::string(status.message())};
  return false;
}

absl::StatusOr<RowReport> RowFilter::Finish(const std::string& path) const {
  if (static_cast<int64_t>(report_.left_out.size()) < report_.num_rows) return report_;
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": found ", report_.Text(), ", expected some that can be used"));
}

}  // namespace deduce
