#include "rl/run/run.h"

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "rl/run/find_model.h"
#include "rl/run/rewind.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/checkpoint/checkpoint_folders.h"

namespace deduce {
namespace {

std::string ConfigPath(const std::string& dir) { return dir + "/config.textproto"; }

absl::Status BadConfig(const std::string& message) {
  return WithExitCode(absl::InvalidArgumentError(message), ExitCode::kBadConfig);
}

// The saved config; nothing where there is none.
absl::StatusOr<std::optional<RunConfig>> SavedConfig(const std::string& dir, ExitCode code) {
  std::error_code error;
  if (!std::filesystem::exists(ConfigPath(dir), error)) return std::optional<RunConfig>();
  absl::StatusOr<RunConfig> saved = LoadConfig(ConfigPath(dir), {});
  if (!saved.ok()) return WithExitCode(saved.status(), code);
  return *std::move(saved);
}

absl::Status CheckResume(const std::string& dir, Resume resume) {
  std::error_code error;
  const bool exists = std::filesystem::exists(ConfigPath(dir), error);
  if (exists && resume == Resume::kNever) {
    return BadConfig(
        absl::StrCat("run_dir: found a run in ", dir, ", expected none with --resume=never"));
  }
  if (!exists && resume == Resume::kMust) {
    return BadConfig(
        absl::StrCat("run_dir: found no run in ", dir, ", expected one with --resume=must"));
  }
  return absl::OkStatus();
}

absl::Status RecordChanges(const std::string& path, const std::vector<ConfigChange>& changes) {
  if (changes.empty()) return absl::OkStatus();
  std::string lines;
  for (const ConfigChange& change : changes) {
    const nlohmann::ordered_json line = {{"stage", change.stage},
                                         {"step", change.step},
                                         {"field", change.field},
                                         {"from", change.from},
                                         {"to", change.to}};
    absl::StrAppend(&lines, line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
                    "\n");
  }
  ASSIGN_OR_RETURN(WritableFile file, WritableFile::Append(path));
  RETURN_IF_ERROR(file.Write(lines));
  return file.Sync();
}

}  // namespace

std::string ChangesPath(const std::string& run_dir) { return run_dir + "/changes.jsonl"; }

absl::StatusOr<Run> Run::Open(const std::string& dir, Access access, Resume resume) {
  if (access == Access::kRead) {
    ASSIGN_OR_RETURN(std::optional<RunConfig> config, SavedConfig(dir, ExitCode::kBadData));
    if (!config) {
      return WithExitCode(absl::NotFoundError(absl::StrCat(
                              ConfigPath(dir), ": found nothing, expected the config of a run")),
                          ExitCode::kBadData);
    }
    return Run(dir, std::move(config), std::nullopt);
  }
  RETURN_IF_ERROR(CheckResume(dir, resume));
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  if (error) {
    return BadConfig(absl::StrCat("run_dir: found ", error.message(), " for ", dir,
                                  ", expected a folder that can be made"));
  }
  ASSIGN_OR_RETURN(RunLock lock, RunLock::Take(dir));
  RETURN_IF_ERROR(CheckResume(dir, resume));
  ASSIGN_OR_RETURN(std::optional<RunConfig> config, SavedConfig(dir, ExitCode::kBadConfig));
  return Run(dir, std::move(config), std::move(lock));
}

absl::StatusOr<std::vector<ConfigChange>> Run::Check(
    const RunConfig& config, const std::vector<std::vector<Artifact>>& inputs,
    const std::optional<CheckpointEntry>& point) const {
  std::vector<ConfigChange> changes;
  if (config_) {
    ASSIGN_OR_RETURN(const std::vector<StageNode> before, ReadStageGraph(*config_, dir_, point));
    std::vector<StageDone> done;
    for (int i = 0; i < config_->stage_size(); ++i) {
      StageDone& stage = done.emplace_back();
      stage.step = before[i].step;
      stage.over = before[i].state == StageNode::State::kFinished ||
                   before[i].state == StageNode::State::kGone;
      stage.weights = before[i].state == StageNode::State::kFinished
                          ? absl::StrCat(dir_, "#", config_->stage(i).name())
                          : before[i].checkpoint;
      for (int j = i + 1; j < config_->stage_size(); ++j) {
        if (InitialStage(*config_, j) == i && !before[j].checkpoint.empty())
          stage.successor = config_->stage(j).name();
      }
    }
    ASSIGN_OR_RETURN(changes, ChangesOnResume(*config_, config, done));
  }
  ASSIGN_OR_RETURN(const std::vector<StageNode> nodes, ReadStageGraph(config, dir_, point));
  RETURN_IF_ERROR(CheckHistory(config, dir_, nodes));
  for (size_t i = 0; i < nodes.size(); ++i) {
    RETURN_IF_ERROR(CheckInputs(nodes[i].checkpoint, nodes[i].inputs, inputs[i]));
    if (nodes[i].state != StageNode::State::kBegun) continue;
    const std::optional<ConfigChange> change =
        EvaluationChange(config, static_cast<int>(i), nodes[i].step, nodes[i].inputs, inputs[i]);
    if (change) changes.push_back(*change);
  }
  return changes;
}

absl::Status Run::LinkBest(const RunConfig& config) const {
  ASSIGN_OR_RETURN(const std::vector<StageNode> nodes, ReadStageGraph(config, dir_));
  for (int i = 0; i < config.stage_size(); ++i) {
    const std::string stage_dir = CheckpointStageDir(dir_, config.stage(i).name());
    RETURN_IF_ERROR(LinkBestCheckpoint(stage_dir, nodes[i].best));
  }
  return absl::OkStatus();
}

absl::Status Run::Rewind(const CheckpointEntry& point, std::vector<ConfigChange>& changes) const {
  ASSIGN_OR_RETURN(const CheckpointEntry newest, NewestCheckpoint(dir_));
  ASSIGN_OR_RETURN(const std::string aside, MoveAside(*config_, dir_, point));
  if (aside.empty()) return absl::OkStatus();
  const auto name = [](const CheckpointEntry& entry) { return CheckpointNames({entry}); };
  changes.push_back({"resume_from", name(newest), name(point), point.stage, point.step});
  std::cerr << "back to " << name(point) << "; what came after is in " << aside << std::endl;
  return absl::OkStatus();
}

absl::Status Run::GoOn(const RunConfig& config, const std::vector<std::vector<Artifact>>& inputs,
                       const std::optional<CheckpointEntry>& point) {
  absl::StatusOr<std::vector<ConfigChange>> changes = Check(config, inputs, point);
  if (!changes.ok()) return WithExitCode(changes.status(), ExitCode::kBadConfig);
  for (const StageConfig& stage : config.stage()) {
    RETURN_IF_ERROR(SweepCheckpoints(CheckpointStageDir(dir_, stage.name())));
  }
  if (point) RETURN_IF_ERROR(Rewind(*point, *changes));
  RETURN_IF_ERROR(RecordChanges(ChangesPath(dir_), *changes));
  RETURN_IF_ERROR(ReplaceFile(ConfigPath(dir_), ConfigText(config)));
  RETURN_IF_ERROR(LinkBest(config));
  config_ = config;
  return absl::OkStatus();
}

}  // namespace deduce
