// TensorBoard event files: the numbers of metrics.jsonl as scalars over "global_step".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/metrics/metrics.h"

namespace deduce {

// CRC-32C (Castagnoli; RFC 3720, B.4).
uint32_t Crc32c(std::string_view bytes);

// TFRecord framing: length, masked CRC of the length, payload, masked CRC of the payload.
std::string FrameTfRecord(std::string_view payload);

// The one event file of a run. For one rank.
class EventFile {
 public:
  // Appends to tensorboard_dir's file; makes folder and file where missing.
  static absl::StatusOr<EventFile> Open(const std::string& tensorboard_dir);

  // One scalar per number in the record. "global_step" (an integer, required) is the x axis,
  // "wall_time" (seconds since 1970), where given, the time, else it is now; "step" and these two
  // are not scalars, nor are strings and non-finite numbers.
  absl::Status Write(const MetricsRecord& record);

 private:
  explicit EventFile(WritableFile file);
  WritableFile file_;
};

// Replaces the event files in tensorboard_dir by what metrics.jsonl says: how a resumed run drops
// the steps it repeats. DataLoss `PATH:LINE: ...` for a line that is no record.
absl::Status RebuildEvents(const std::string& metrics_path, const std::string& tensorboard_dir);

}  // namespace deduce
