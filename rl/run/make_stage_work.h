// The table of kinds of stages.
#pragma once

#include <memory>

#include "rl/run/stage_work.h"

namespace deduce {

// The work of one stage of a run: of the kind that its config names, which has one (see Validate).
// Data, task and verifiers are checked; nothing large is in memory yet. Errors: those of the kind.
absl::StatusOr<std::unique_ptr<StageWork>> MakeStageWork(const StageSetup& setup);

}  // namespace deduce
