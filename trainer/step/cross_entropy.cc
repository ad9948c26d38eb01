#include "trainer/step/cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/count_nonzero.h>
#include <ATen/ops/sum.h>

#include <algorithm>

#include "kernels/ordered_sum.h"

namespace deduce {
namespace {

constexpr char kTokens[] = "tokens", kNextTokens[] = "next_tokens";

}  // namespace

std::vector<Head> CrossEntropy::heads() const {
  if (next_token_weight_ == 0) return {Head::kToken};
  return {Head::kToken, Head::kNextToken};
}

LossTerms CrossEntropy::operator()(const LossContext& context) const {
  const at::Tensor& log_prob_x = context.log_probs().log_prob_t;
  const at::Tensor& weights_x = context.batch()[Column::kWeight];
  LossTerms terms;
  // In double: the split into micro-batches then shows in the last bit of the result at most.
  const at::Tensor sum = at::sum((log_prob_x * weights_x).to(at::kDouble));
  terms.components.push_back(
      {.name = "loss", .sum = -sum.to(log_prob_x.scalar_type()), .count = kTokens});
  terms.metric_sums = {{"tokens", at::count_nonzero(weights_x)},
                       {"entropy", MaskedSum(context.log_probs().entropy_t, weights_x)}};
  if (next_token_weight_ == 0) return terms;
  const at::Tensor& next_log_prob_x = context.log_probs(Head::kNextToken).log_prob_t;
  const at::Tensor& next_weights_x = context.batch(Head::kNextToken)[Column::kWeight];
  terms.components.push_back({.name = "mtp_loss",
                              .sum = -at::sum(next_log_prob_x * next_weights_x),
                              .count = kNextTokens,
                              .weight = next_token_weight_});
  return terms;
}

Counts CrossEntropy::MakeCounts(double tokens, double next_tokens) const {
  Counts counts = {{kTokens, tokens}};
  // Where sequences are too short for the module its sum is 0, and any divisor does.
  if (next_token_weight_ != 0) counts[kNextTokens] = std::max(next_tokens, 1.0);
  return counts;
}

}  // namespace deduce
