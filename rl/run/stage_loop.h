// The loop around the steps of one stage, from its first step or from a checkpoint in its middle,
// to its last: evaluates, logs, saves, traces, stops. It knows no kind of stage.
#pragma once

#include "absl/status/statusor.h"
#include "rl/run/stage_work.h"

namespace deduce {

enum class StageEnd { kFinished, kStopped };

// Collective over the world. Prepares and runs the work of stage `index` of the run. kStopped: a
// rank was asked to stop, and the state is saved. Errors: the work's; Internal after
// optimizer.max_nonfinite_steps steps in a row that were skipped, with the state saved.
absl::StatusOr<StageEnd> RunStage(RunContext& context, int index, StageWork& work,
                                  const StageStart& start);

}  // namespace deduce
