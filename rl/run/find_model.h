// The folder that a user means where a model is asked for: a path, a run directory, or
// RUN_DIR#STAGE/STEP.
#pragma once

#include <ostream>
#include <string>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "trainer/checkpoint/checkpoint_folders.h"

namespace deduce {

// A checkpoint of a run by its name: "STAGE/STEP", "STAGE/best", or "STAGE" for that stage's
// newest. NotFound (exit code 3), with the names of those that are there.
absl::StatusOr<CheckpointEntry> FindCheckpoint(const std::string& run_dir, const std::string& name);

// The newest checkpoint of a run: of the last stage, in the order of its config, that has one.
// Errors (exit code 3): NotFound if there is none; those of reading the config.
absl::StatusOr<CheckpointEntry> NewestCheckpoint(const std::string& run_dir);

// Whether the folder is a run's: it has a config and is no checkpoint.
bool IsRunDirectory(const std::string& dir);

// "sft/40, rl/20": in the order given.
std::string CheckpointNames(const std::vector<CheckpointEntry>& entries);

// The folder that `text` means. A run directory means its newest checkpoint, which is said on
// `log`; RUN_DIR#NAME means FindCheckpoint's. Any other path is returned as it is, unless it is a
// folder that holds nothing to read a model or a tokenizer from and models lie below it: that is an
// error (exit code 3) which lists them.
absl::StatusOr<std::string> FindModel(const std::string& text, std::ostream& log);

// Puts what FindModel finds in the place of each distill.teacher of a config, so that a run keeps
// its teacher though the teacher's own run goes on.
absl::Status FindTeachers(RunConfig& config, std::ostream& log);

}  // namespace deduce
