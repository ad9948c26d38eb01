// metrics.jsonl: one JSON object a line, one line a step.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {

using MetricValue =
    std::variant<int64_t, double, std::string, std::vector<double>>;  // vector: an interval

// Names and values in the order they are printed.
using MetricsRecord = std::vector<std::pair<std::string, MetricValue>>;

// One line without its newline. Doubles are the shortest text that reads back to the same bits;
// non-finite ones are null.
std::string FormatRecord(const MetricsRecord& record);

// For one rank. A line is in the file, whole, when Write returns.
class MetricsLog {
 public:
  // Appends to what is there. To resume, call TruncateTo first.
  static absl::StatusOr<MetricsLog> Open(const std::string& path);

  absl::Status Write(const MetricsRecord& record);
  absl::Status Sync();

  // Bytes written so far: what a checkpoint stores so that resuming can drop later lines.
  int64_t offset() const { return file_.size(); }

  // Drops what was written after `offset`. DataLoss if the file is shorter, or no line ends there;
  // a missing file is an empty one.
  static absl::Status TruncateTo(const std::string& path, int64_t offset);

 private:
  explicit MetricsLog(WritableFile file);
  WritableFile file_;
};

}  // namespace deduce
