#include "rl/run/run_log.h"

#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/status.h"

namespace deduce {

absl::StatusOr<std::unique_ptr<RunLog>> RunLog::Open(const std::string& run_dir,
                                                     int64_t metrics_offset) {
  const std::string metrics_path = run_dir + "/metrics.jsonl";
  const std::string events_dir = run_dir + "/tensorboard";
  RETURN_IF_ERROR(MetricsLog::TruncateTo(metrics_path, metrics_offset));
  ASSIGN_OR_RETURN(MetricsLog metrics, MetricsLog::Open(metrics_path));
  RETURN_IF_ERROR(RebuildEvents(metrics_path, events_dir));
  ASSIGN_OR_RETURN(EventFile events, EventFile::Open(events_dir));
  return std::unique_ptr<RunLog>(new RunLog(std::move(metrics), std::move(events)));
}

void RunLog::BeginStage(const std::string& name, int64_t first_step, int64_t num_steps) {
  progress_ = std::make_unique<Progress>(
      ProgressOptions{.label = name, .begin = first_step, .total = num_steps}, std::cerr,
      StandardErrorWidth());
}

absl::Status RunLog::Write(const MetricsRecord& record) {
  RETURN_IF_ERROR(metrics_.Write(record));
  RETURN_IF_ERROR(events_.Write(record));
  int64_t step = 0;
  std::string note;
  for (const auto& [name, value] : record) {
    if (name == "step") step = std::get<int64_t>(value);
    if (name == "loss" || name == "reward" || name.ends_with("pass@1")) {
      absl::StrAppend(&note, note.empty() ? "" : ", ",
                      absl::StrFormat("%s %.4g", name, std::get<double>(value)));
    }
  }
  progress_->Update(step, note);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> RunLog::SyncedOffset() {
  RETURN_IF_ERROR(metrics_.Sync());
  return metrics_.offset();
}

}  // namespace deduce
