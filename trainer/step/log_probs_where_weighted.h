// Log-probabilities of those targets that count.
#pragma once

#include <ATen/core/Tensor.h>

#include "data/records/batch.h"
#include "trainer/model/transformer.h"

namespace deduce {

// Transformer::LogProbs of those of the batch's targets that have a weight, fp32 [x]. The others, a
// prompt's above all, get 0 where leaving them out saves more than gathering the rest costs: with a
// large vocabulary the head is a fifth of the work.
TokenLogProbs LogProbsWhereWeighted(const Transformer& model, const at::Tensor& hidden_xd,
                                    const PackedBatch& batch, double temperature = 1);

}  // namespace deduce
