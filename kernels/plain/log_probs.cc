#include "kernels/plain/log_probs.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/logsumexp.h>

namespace deduce::plain {

RowSummaries SummarizeLogits(const at::Tensor& logits_tv, const at::Tensor& targets_t,
                             double inverse_temperature) {
  const at::Tensor z_tv = logits_tv * inverse_temperature;
  const at::Tensor log_sum_exp_t = at::logsumexp(z_tv, 1);
  const at::Tensor log_prob_tv = z_tv - log_sum_exp_t.unsqueeze(1);
  const at::Tensor p_tv = log_prob_tv.exp();
  return {log_prob_tv.gather(1, targets_t.unsqueeze(1)).squeeze(1),
          -(p_tv * log_prob_tv).masked_fill(p_tv == 0, 0).sum(1), log_sum_exp_t};
}

void LogitGradients(const at::Tensor& logits_tv, const at::Tensor& targets_t,
                    const at::Tensor& log_sum_exp_t, const at::Tensor& grad_t,
                    double inverse_temperature) {
  const at::Tensor scaled_t1 = (grad_t * inverse_temperature).unsqueeze(1);
  logits_tv.mul_(inverse_temperature).sub_(log_sum_exp_t.unsqueeze(1)).exp_().mul_(-scaled_t1);
  logits_tv.scatter_add_(1, targets_t.unsqueeze(1), scaled_t1);
}

void NormalizeLogits(const at::Tensor& logits_tv, double inverse_temperature) {
  logits_tv.mul_(inverse_temperature);
  logits_tv.sub_(at::logsumexp(logits_tv, 1, /*keepdim=*/true));
}

}  // namespace deduce::plain
