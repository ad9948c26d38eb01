// Whether a config describes a run that can be started, its tasks and verifiers included.
#pragma once

#include "absl/status/status.h"
#include "configs/run.pb.h"

namespace deduce {

// Validate, then the rules that tasks and verifiers have of their own (data/tasks/registry,
// rl/reward/registry). InvalidArgument for the first broken one: `FIELD.PATH: found X, expected Y`.
absl::Status ValidateRun(const RunConfig& config);

}  // namespace deduce
