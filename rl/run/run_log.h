// Where a run's numbers go: metrics.jsonl, TensorBoard's event file and the progress line. For rank
// 0.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "trainer/metrics/event_file.h"
#include "trainer/metrics/metrics.h"
#include "trainer/metrics/progress.h"

namespace deduce {

class RunLog {
 public:
  // Opens a run's logs, dropping what was written after byte `metrics_offset` of metrics.jsonl. If
  // somebody removed the file, its lines are lost, which is said, and a new one begins.
  static absl::StatusOr<std::unique_ptr<RunLog>> Open(const std::string& run_dir,
                                                      int64_t metrics_offset);

  // Begins the progress line of a stage.
  void BeginStage(const std::string& name, int64_t first_step, int64_t num_steps);

  // `record` must hold "step" and "global_step". NotFound if metrics.jsonl was removed or replaced
  // since it was opened: what is written to it would be lost.
  absl::Status Write(const MetricsRecord& record);

  // A line on standard error, below the progress.
  void Say(const std::string& line);

  // Makes the file durable and returns its length, for a checkpoint.
  absl::StatusOr<int64_t> SyncedOffset();

 private:
  RunLog(std::string path, MetricsLog metrics, EventFile events)
      : path_(std::move(path)),
        identity_(FileIdentity(path_)),
        metrics_(std::move(metrics)),
        events_(std::move(events)) {}

  // Device and number of the file of this name; "" if there is none.
  static std::string FileIdentity(const std::string& path);
  absl::Status CheckStillThere() const;

  std::string path_;      // of metrics.jsonl
  std::string identity_;  // when it was opened
  MetricsLog metrics_;
  EventFile events_;
  std::unique_ptr<Progress> progress_;
};

}  // namespace deduce
