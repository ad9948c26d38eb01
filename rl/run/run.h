// A run: a directory with a config, checkpoints and what was written on the way. Opened to read,
// nothing on the disk changes; opened to write, nobody else can write it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "configs/resume_rules.h"
#include "configs/run.pb.h"
#include "rl/run/run_lock.h"
#include "rl/run/stage_graph.h"

namespace deduce {

enum class Resume {
  kAuto,   // go on where the folder's run stopped, or begin
  kMust,   // go on, or fail
  kNever,  // begin in a folder without a run, or fail
};

class Run {
 public:
  enum class Access { kRead, kWrite };

  // kRead: the folder holds a run; errors have exit code 3. kWrite, for one rank: it may be without
  // one, or not be there, and is locked until the object is destroyed; errors have exit code 2: a
  // run that `resume` forbids, or none that it demands, RunLock's.
  static absl::StatusOr<Run> Open(const std::string& dir, Access access,
                                  Resume resume = Resume::kAuto);

  const std::string& dir() const { return dir_; }
  bool has_config() const { return config_.has_value(); }
  const RunConfig& config() const { return *config_; }  // as it is saved

  // One a stage of the saved config.
  absl::StatusOr<std::vector<StageNode>> Stages() const { return ReadStageGraph(*config_, dir_); }

  // Makes `config` the run's (opened to write), `inputs` being what each of its stages is made
  // from. Everything is checked before anything is written. What changes from here on gets a line
  // in changes.jsonl; what killed runs left behind is removed; with `point`, a checkpoint of the
  // run, what came after that is moved aside (see MoveAside). Errors, with nothing changed: those
  // of ChangesOnResume (exit code 2), CheckHistory and CheckInputs (3).
  absl::Status GoOn(const RunConfig& config, const std::vector<std::vector<Artifact>>& inputs,
                    const std::optional<CheckpointEntry>& point = std::nullopt);

 private:
  Run(std::string dir, std::optional<RunConfig> config, std::optional<RunLock> lock)
      : dir_(std::move(dir)), config_(std::move(config)), lock_(std::move(lock)) {}

  absl::StatusOr<std::vector<ConfigChange>> Check(
      const RunConfig& config, const std::vector<std::vector<Artifact>>& inputs,
      const std::optional<CheckpointEntry>& point) const;
  // The links to the best checkpoints, as the newest of each stage has them.
  absl::Status LinkBest(const RunConfig& config) const;
  absl::Status Rewind(const CheckpointEntry& point, std::vector<ConfigChange>& changes) const;

  std::string dir_;
  std::optional<RunConfig> config_;
  std::optional<RunLock> lock_;
};

// RUN_DIR/changes.jsonl: a line for every setting that was changed while the run was under way:
// field, from, to, and the stage and step from which it holds.
std::string ChangesPath(const std::string& run_dir);

}  // namespace deduce
