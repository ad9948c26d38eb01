#include "trainer/checkpoint/checkpoint_folders.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;

constexpr char kRemoved[] = ".removed";
constexpr char kPartial[] = ".partial";

// The names of the folders in `path`; none if there is no such folder.
absl::StatusOr<std::vector<std::string>> SubFolders(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entries(path, error);
  if (error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory)
    return names;
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    std::error_code ignored;
    if (entries->is_directory(ignored)) names.push_back(entries->path().filename());
  }
  if (error) return FileError(error.value(), path, "a readable folder");
  std::sort(names.begin(), names.end());
  return names;
}

// The step a published checkpoint is of; nothing for other names.
std::optional<int64_t> StepOf(const std::string& name) {
  int64_t step = 0;
  if (!absl::SimpleAtoi(name, &step) || step < 0 || absl::StrCat(step) != name) return std::nullopt;
  return step;
}

absl::Status RemoveFolder(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return FileError(error.value(), path, "a folder that can be removed");
  return absl::OkStatus();
}

}  // namespace

std::string CheckpointStageDir(const std::string& run_dir, const std::string& stage) {
  return absl::StrCat(run_dir, "/checkpoints/", stage);
}

std::string CheckpointDir(const std::string& run_dir, const std::string& stage, int64_t step) {
  return absl::StrCat(CheckpointStageDir(run_dir, stage), "/", step);
}

absl::StatusOr<std::vector<CheckpointEntry>> ListCheckpoints(const std::string& run_dir) {
  std::vector<CheckpointEntry> checkpoints;
  ASSIGN_OR_RETURN(const auto stages, SubFolders(run_dir + "/checkpoints"));
  for (const std::string& stage : stages) {
    ASSIGN_OR_RETURN(const auto names, SubFolders(CheckpointStageDir(run_dir, stage)));
    for (const std::string& name : names) {
      const auto step = StepOf(name);
      if (step) checkpoints.push_back({stage, *step, CheckpointDir(run_dir, stage, *step)});
    }
  }
  std::sort(checkpoints.begin(), checkpoints.end(), [](const auto& a, const auto& b) {
    return std::tie(a.stage, a.step) < std::tie(b.stage, b.step);
  });
  return checkpoints;
}

absl::Status LinkBestCheckpoint(const std::string& stage_dir, std::optional<int64_t> step) {
  const std::string link = absl::StrCat(stage_dir, "/", kBestCheckpoint);
  std::error_code error;
  const bool is_there = step && fs::is_directory(absl::StrCat(stage_dir, "/", *step), error);
  if (is_there && fs::read_symlink(link, error) == absl::StrCat(*step)) return absl::OkStatus();
  // A copy of a run directory may have a folder in the link's place.
  if (!is_there || !fs::is_symlink(link, error)) {
    if (fs::exists(fs::symlink_status(link, error))) RETURN_IF_ERROR(RemoveFolder(link));
    if (!is_there) return absl::OkStatus();
  }
  RETURN_IF_ERROR(RemoveFolder(link + kPartial));
  fs::create_directory_symlink(absl::StrCat(*step), link + kPartial, error);
  if (!error) fs::rename(link + kPartial, link, error);
  if (error) return FileError(error.value(), link, "a file system with symbolic links");
  return SyncFolder(stage_dir);
}

absl::Status SweepCheckpoints(const std::string& stage_dir) {
  ASSIGN_OR_RETURN(const auto names, SubFolders(stage_dir));
  for (const std::string& name : names) {
    if (absl::EndsWith(name, kRemoved) || absl::EndsWith(name, kPartial)) {
      RETURN_IF_ERROR(RemoveFolder(absl::StrCat(stage_dir, "/", name)));
    }
  }
  return absl::OkStatus();
}

absl::Status RemoveOldCheckpoints(const std::string& stage_dir, int64_t keep_last,
                                  const std::set<int64_t>& always_keep) {
  RETURN_IF_ERROR(SweepCheckpoints(stage_dir));
  ASSIGN_OR_RETURN(const auto names, SubFolders(stage_dir));
  std::vector<int64_t> steps;
  for (const std::string& name : names) {
    if (const auto step = StepOf(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  const auto kept = std::max<int64_t>(1, keep_last);
  for (int64_t i = 0; i + kept < static_cast<int64_t>(steps.size()); ++i) {
    if (always_keep.count(steps[i]) > 0) continue;
    const std::string path = absl::StrCat(stage_dir, "/", steps[i]);
    std::error_code error;
    fs::rename(path, path + kRemoved, error);
    if (error) return FileError(error.value(), path, "a checkpoint that can be removed");
    RETURN_IF_ERROR(RemoveFolder(path + kRemoved));
  }
  return absl::OkStatus();
}

}  // namespace deduce
