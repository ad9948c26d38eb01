// How much a rank's list of actions holds at once, at most.
#pragma once

#include <vector>

#include "parallel/pipeline/plan.h"

namespace deduce {

// Most micro-batches whose activations a rank holds at once, counted by chunk: from the forward to
// the last gradient.
int PeakActivations(const std::vector<PlanAction>& actions);

// Most receives that a rank has begun in exchanges and not waited for yet, at once.
int PeakReceives(const std::vector<PlanAction>& actions);

// The same as PeakActivations in bytes, when a micro-batch's activations in chunk c take
// bytes_of_chunk[c].
double PeakActivationBytes(const std::vector<PlanAction>& actions,
                           const std::vector<double>& bytes_of_chunk);

// Most bytes of weights that a rank has gathered and not released, when those of chunk c take
// bytes_of_chunk[c].
double PeakWeightBytes(const std::vector<PlanAction>& actions,
                       const std::vector<double>& bytes_of_chunk);

}  // namespace deduce
