// Where the checkpoints of a run are, which there are, and which are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deduce {

// Name of the link beside a stage's checkpoints to the best of them.
inline constexpr char kBestCheckpoint[] = "best";

struct CheckpointEntry {
  std::string stage;
  int64_t step = 0;
  std::string path;
};

// RUN_DIR/checkpoints/STAGE and RUN_DIR/checkpoints/STAGE/STEP.
std::string CheckpointStageDir(const std::string& run_dir, const std::string& stage);
std::string CheckpointDir(const std::string& run_dir, const std::string& stage, int64_t step);

// The published checkpoints of a run, ordered by stage name, then step; none if the run has no
// folder of them. Partial and half-removed ones are not listed.
absl::StatusOr<std::vector<CheckpointEntry>> ListCheckpoints(const std::string& run_dir);

// Removes a stage's checkpoints except the keep_last of highest step (at least 1) and the steps in
// always_keep, each renamed before it is deleted, so that what has a checkpoint's name is always
// complete. Also sweeps. For one rank, while no save is under way.
absl::Status RemoveOldCheckpoints(const std::string& stage_dir, int64_t keep_last,
                                  const std::set<int64_t>& always_keep);

// Makes the link to the best of a stage's checkpoints, or removes it, where there is no such step
// or no checkpoint of it. For one rank, while no save is under way.
absl::Status LinkBestCheckpoint(const std::string& stage_dir, std::optional<int64_t> step);

// Removes what killed runs left of a stage's checkpoints, half written or half removed. For one
// rank, while no save is under way.
absl::Status SweepCheckpoints(const std::string& stage_dir);

}  // namespace deduce
