// The learning rate as a pure function of the step: nothing to save, nothing to restore.
#pragma once

#include <cstdint>

#include "configs/objective.pb.h"

namespace deduce {

// Rate of optimizer step `step` (from 0) of a stage of `total_steps`, for the configured schedule.
// Warm-up: step s of the first w has (s + 1) / w of the rate, so the first step is not wasted on a
// rate of 0 and step w - 1 has the full one.
//   constant     the full rate after warm-up
//   cosine       half a cosine from the full rate at step w to min_learning_rate at the stage's
//   end,
//                one step after the last one, as in transformers: every step has a rate above the
//                minimum, also in a stage of one step
//   deepseek_v3  (report, section 4.2) by share s / total_steps of the stage: the full rate during
//                constant_share, half a cosine to min_learning_rate during cosine_share, that
//                during first_tail_share, then final_learning_rate; warm-up takes the place of the
//                first w steps
double LearningRate(const OptimizerConfig& config, int64_t step, int64_t total_steps);

}  // namespace deduce
