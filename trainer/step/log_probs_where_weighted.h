// Log-probabilities of those targets that count.
#pragma once

#include <ATen/core/Tensor.h>

#include "trainer/model/transformer.h"

namespace deduce {

// Transformer::LogProbs of the targets that have a weight, fp32 [x]. The others, a prompt's above
// all, get 0 where leaving them out saves more than gathering the rest costs: with a large
// vocabulary the head is a fifth of the work.
TokenLogProbs LogProbsWhereWeighted(const Transformer& model, const at::Tensor& hidden_xd,
                                    const at::Tensor& targets_x, const at::Tensor& weights_x,
                                    double temperature = 1);

}  // namespace deduce
