#include "rl/run/run_directory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "trainer/checkpoint/checkpoint_folders.h"

namespace deduce {
namespace {

absl::Status BadConfig(const std::string& message) {
  return WithExitCode(absl::InvalidArgumentError(message), ExitCode::kBadConfig);
}

absl::Status WriteConfig(const std::string& path, const RunConfig& config) {
  const std::string partial = path + ".partial";
  std::ofstream file(partial, std::ios::binary | std::ios::trunc);
  file << ConfigText(config);
  file.close();
  std::error_code renamed;
  if (file) std::filesystem::rename(partial, path, renamed);
  if (!file || renamed) {
    return absl::UnavailableError(absl::StrCat(path, ": found ",
                                               file ? renamed.message() : std::strerror(errno),
                                               " while writing, expected room and permission"));
  }
  return absl::OkStatus();
}

absl::StatusOr<StageProgress> ReusedStage(const RunConfig& config, const StageConfig& stage) {
  const std::string& other_dir = config.reuse().run_dir();
  absl::StatusOr<RunConfig> other = LoadConfig(other_dir + "/config.textproto", {});
  if (!other.ok()) {
    return WithExitCode(absl::NotFoundError(absl::StrCat(
                            "reuse.run_dir: found no run in ", other_dir, " (",
                            other.status().message(), "), expected one with stage ", stage.name())),
                        ExitCode::kBadData);
  }
  const std::string difference = ReuseDifference(config, *other);
  if (!difference.empty()) {
    return BadConfig(absl::StrCat("reuse.stage: found a run in ", other_dir, " that differs in ",
                                  difference, ", expected one with the same settings of stage ",
                                  stage.name()));
  }
  StageProgress progress{CheckpointDir(other_dir, stage.name(), stage.steps()), stage.steps(),
                         true};
  if (!std::filesystem::exists(progress.last_checkpoint)) {
    return WithExitCode(absl::NotFoundError(absl::StrCat(
                            "reuse.stage: found no ", progress.last_checkpoint, ", expected stage ",
                            stage.name(), " to be finished there")),
                        ExitCode::kBadData);
  }
  return progress;
}

}  // namespace

absl::Status PrepareRunDirectory(const RunConfig& config, Resume resume) {
  const std::string& dir = config.run_dir();
  const std::string path = dir + "/config.textproto";
  std::error_code error;
  if (std::filesystem::exists(path, error)) {
    if (resume == Resume::kNever) {
      return BadConfig(
          absl::StrCat("run_dir: found a run in ", dir, ", expected none with --resume=never"));
    }
    const absl::StatusOr<RunConfig> existing = LoadConfig(path, {});
    if (!existing.ok()) return WithExitCode(existing.status(), ExitCode::kBadConfig);
    const std::string difference = ConfigDifference(*existing, config);
    if (!difference.empty()) {
      return BadConfig(absl::StrCat("run_dir: found a run in ", dir, " whose config differs in ",
                                    difference, ", expected the same config or another run_dir"));
    }
    return WriteConfig(path, config);
  }
  if (resume == Resume::kMust) {
    return BadConfig(
        absl::StrCat("run_dir: found no run in ", dir, ", expected one with --resume=must"));
  }
  std::filesystem::create_directories(dir, error);
  if (error) {
    return absl::PermissionDeniedError(absl::StrCat("run_dir: found ", error.message(), " for ",
                                                    dir, ", expected a folder that can be made"));
  }
  return WriteConfig(path, config);
}

absl::StatusOr<std::vector<StageProgress>> FindProgress(const RunConfig& config) {
  ASSIGN_OR_RETURN(const std::vector<CheckpointEntry> entries, ListCheckpoints(config.run_dir()));
  std::vector<StageProgress> all;
  for (const StageConfig& stage : config.stage()) {
    const auto& reused = config.reuse().stage();
    if (std::find(reused.begin(), reused.end(), stage.name()) != reused.end()) {
      ASSIGN_OR_RETURN(StageProgress progress, ReusedStage(config, stage));
      all.push_back(std::move(progress));
      continue;
    }
    StageProgress progress;
    for (const CheckpointEntry& entry : entries) {
      if (entry.stage != stage.name() || entry.step < progress.last_step) continue;
      progress = {entry.path, entry.step, entry.step == stage.steps()};
    }
    all.push_back(std::move(progress));
  }
  return all;
}

}  // namespace deduce
