// Going back to an earlier checkpoint of a run: what came after it is moved aside, nothing is lost.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "trainer/checkpoint/checkpoint_folders.h"

namespace deduce {

// Moves what the run has after `point` (checkpoints, rollouts and traces of later steps and of
// later stages of `config`) to RUN_DIR/rewound/N, for the first N that is free, beside copies of
// metrics.jsonl, changes.jsonl and the config. That folder is a run directory too, for report and
// inspect. Returns it; "" if no checkpoint comes after, and nothing was done. Killed in the middle,
// it has lost nothing, and doing it again moves the rest. Errors: those of the file system.
absl::StatusOr<std::string> MoveAside(const RunConfig& config, const std::string& run_dir,
                                      const CheckpointEntry& point);

}  // namespace deduce
