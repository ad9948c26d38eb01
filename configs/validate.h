// Whether a config describes a run that can be started.
#pragma once

#include "absl/status/status.h"
#include "configs/run.pb.h"

namespace deduce {

// Checks every rule that the config alone can break; files, the tokenizer, the number of ranks and
// the names and options of tasks and verifiers (rl/run/validate_run) are not looked at.
// InvalidArgument for the first broken one: `FIELD.PATH: found X, expected Y`.
absl::Status Validate(const RunConfig& config);

// The part of Validate that concerns a model by itself, such as one read from a Hugging Face
// folder.
absl::Status ValidateModel(const ModelConfig& model);

}  // namespace deduce
