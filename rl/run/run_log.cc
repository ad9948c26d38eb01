#include "rl/run/run_log.h"

#include <sys/stat.h>

#include <filesystem>
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
  std::error_code error;
  if (metrics_offset > 0 && !std::filesystem::exists(metrics_path, error) && !error) {
    std::cerr << "deduce: warning: " << metrics_path << ": found no file, expected "
              << metrics_offset << " bytes; the run goes on without its earlier lines" << std::endl;
    metrics_offset = 0;
  }
  RETURN_IF_ERROR(MetricsLog::TruncateTo(metrics_path, metrics_offset));
  ASSIGN_OR_RETURN(MetricsLog metrics, MetricsLog::Open(metrics_path));
  RETURN_IF_ERROR(RebuildEvents(metrics_path, events_dir));
  ASSIGN_OR_RETURN(EventFile events, EventFile::Open(events_dir));
  return std::unique_ptr<RunLog>(new RunLog(metrics_path, std::move(metrics), std::move(events)));
}

void RunLog::BeginStage(const std::string& name, int64_t first_step, int64_t num_steps) {
  progress_ = std::make_unique<Progress>(
      ProgressOptions{.label = name, .begin = first_step, .total = num_steps}, std::cerr,
      StandardErrorWidth());
}

std::string RunLog::FileIdentity(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return "";
  return absl::StrCat(file.st_dev, "/", file.st_ino);
}

absl::Status RunLog::CheckStillThere() const {
  if (FileIdentity(path_) == identity_) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(
      path_, ": found it removed or replaced while the run writes it, expected it to stay"));
}

absl::Status RunLog::Write(const MetricsRecord& record) {
  RETURN_IF_ERROR(CheckStillThere());
  RETURN_IF_ERROR(metrics_.Write(record));
  RETURN_IF_ERROR(events_.Write(record));
  int64_t step = 0;
  std::string note;
  bool evaluated = false;
  for (const auto& [name, value] : record) {
    evaluated |= name.starts_with("eval/");
    if (name == "step") step = std::get<int64_t>(value);
    if (name == "loss" || name == "reward" || name == "eval/loss" || name.ends_with("pass@1")) {
      absl::StrAppend(&note, note.empty() ? "" : ", ",
                      absl::StrFormat("%s %.4g", name, std::get<double>(value)));
    }
  }
  progress_->Update(step, note, /*worth_a_line=*/evaluated);
  return absl::OkStatus();
}

void RunLog::Say(const std::string& line) {
  if (progress_) progress_->Break();
  std::cerr << line << std::endl;
}

absl::StatusOr<int64_t> RunLog::SyncedOffset() {
  RETURN_IF_ERROR(CheckStillThere());
  RETURN_IF_ERROR(metrics_.Sync());
  return metrics_.offset();
}

}  // namespace deduce
