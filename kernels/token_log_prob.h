// Log-probabilities of chosen tokens from hidden states, without ever holding the logits of all
// tokens: serves the SFT loss, the GRPO ratio, the KL term and sampling alike.
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/matmul.h"

namespace deduce {

struct TokenLogProbs {
  at::Tensor log_prob_t;  // [t], of the hidden states' type: log softmax(logits /
                          // temperature)[target]; differentiable
  at::Tensor entropy_t;   // [t]: of the same distribution, in nats; no gradient
};

// hidden_td [t, d], head_vd [vocabulary, d], targets_t int64 [t]. Works through kLogitRows rows at
// a time, forward and backward, so memory is kLogitRows x vocabulary. `type` is that of the
// products, by the rule of Linear; softmax is in fp32. All on one device. Targets on the CPU are
// checked: one outside the vocabulary throws c10::Error with its value. On a device a check would
// wait for it, so whoever moves a batch there checks it first.
inline constexpr int64_t kLogitRows = 512;
TokenLogProbs TokenLogProb(const at::Tensor& hidden_td, const at::Tensor& head_vd,
                           const at::Tensor& targets_t, double temperature = 1.0,
                           ComputeType type = ComputeType::kFloat32);

// log softmax(logits / temperature) of every row, [t, vocabulary] fp32, for sampling; its entries
// are equal to TokenLogProb's to the last bit. Not differentiable; t should be small.
at::Tensor LogProbRows(const at::Tensor& hidden_td, const at::Tensor& head_vd, double temperature,
                       ComputeType type = ComputeType::kFloat32);

}  // namespace deduce
