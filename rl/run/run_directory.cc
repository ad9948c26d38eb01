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
    StageProgress progress;
    for (const CheckpointEntry& entry : entries) {
      if (entry.stage != stage.name() || entry.step < progress.last_step) continue;
      progress = {entry.path, entry.step, entry.step == stage.steps()};
    }
    all.push_back(std::move(progress));
  }
  return all;
}

absl::StatusOr<std::string> WeightsOfAnotherRun(const RunConfig& config, int index) {
  const OtherStage other = *StageOfAnotherRun(config.stage(index));
  const std::string where = absl::StrCat("stage[", index, "].init_from: found ");
  const auto bad_data = [&](const std::string& found, const std::string& expected) {
    return WithExitCode(absl::NotFoundError(absl::StrCat(where, found, ", expected ", expected)),
                        ExitCode::kBadData);
  };
  const absl::StatusOr<RunConfig> run = LoadConfig(other.run_dir + "/config.textproto", {});
  if (!run.ok()) {
    return bad_data(absl::StrCat("no run in ", other.run_dir, " (", run.status().message(), ")"),
                    "one with stage " + other.stage);
  }
  const int stage = FindStage(*run, other.stage);
  if (stage < 0)
    return bad_data(absl::StrCat("no stage ", other.stage, " in ", other.run_dir), "one");
  if (const std::string field = ModelDifference(config.model(), run->model()); !field.empty()) {
    return BadConfig(absl::StrCat(where, "a run in ", other.run_dir, " that differs in model.",
                                  field, ", expected one of the same model"));
  }
  std::string dir = CheckpointDir(other.run_dir, other.stage, run->stage(stage).steps());
  if (!std::filesystem::exists(dir)) {
    return bad_data("no " + dir, absl::StrCat("stage ", other.stage, " to be finished there"));
  }
  return dir;
}

}  // namespace deduce
