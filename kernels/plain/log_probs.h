// Softmax over a vocabulary in ATen operations, for any floating type and device: the oracle of the
// kernels' tests, and what computes where they have no faster form. All of softmax(logits_tv *
// inverse_temperature) of every row; not differentiable.
#pragma once

#include <ATen/core/Tensor.h>

namespace deduce::plain {

// Each row's log-probability of its target, entropy in nats, and logarithm of the denominator. A
// logit of -infinity has no share in the entropy.
struct RowSummaries {
  at::Tensor log_prob_t, entropy_t, log_sum_exp_t;
};
RowSummaries SummarizeLogits(const at::Tensor& logits_tv, const at::Tensor& targets_t,
                             double inverse_temperature);

// Makes logits the gradient of sum(grad_t * log-probability of the target) in them, in place.
void LogitGradients(const at::Tensor& logits_tv, const at::Tensor& targets_t,
                    const at::Tensor& log_sum_exp_t, const at::Tensor& grad_t,
                    double inverse_temperature);

// Makes logits log-probabilities, in place.
void NormalizeLogits(const at::Tensor& logits_tv, double inverse_temperature);

}  // namespace deduce::plain
