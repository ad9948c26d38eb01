// Which micro-batches of a step a rank's pipeline works on, and in which order.
#pragma once

#include <cstdint>
#include <vector>

#include "trainer/step/rank_model.h"

namespace deduce {

struct StepPlan {
  const Plan& plan;
  // By the plan's micro-batch: that of the step, in the order in which GradientTree takes them. An
  // index beyond the last stands for an empty batch that only keeps peers company.
  std::vector<int64_t> micro_batch_of;
};

// forward_only: micro-batches are dealt to context ranks as if these were replicas, as none is
// split.
StepPlan MakeStepPlan(RankModel& model, int64_t num_micro_batches, bool forward_only);

// The replica, as Layout::replica counts them, whose ranks train on a micro-batch of a step,
// whichever of a pipeline's paths it takes there.
int ReplicaOf(const RankModel& model, int64_t micro_batch);

}  // namespace deduce
