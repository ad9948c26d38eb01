// Log-probabilities of given tokens: of a reference, or of the policy as it is.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "data/records/batch.h"
#include "trainer/step/rank_model.h"

namespace deduce {

// Collective over the world. Log-probabilities (and nothing else) of every micro-batch's targets
// under the model as it is, fp32 [x] each, on every rank, with the bits that TrainStep's forward
// would see. A target without a weight may have 0 instead.
std::vector<at::Tensor> ScoreTokens(RankModel& model, const std::vector<PackedBatch>& micro_batches,
                                    double temperature);

}  // namespace deduce
