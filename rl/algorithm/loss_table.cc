#include "rl/algorithm/loss_table.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/minimum.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <iterator>

#include "rl/algorithm/advantage.h"

namespace deduce {
namespace {

// min(ratio A, clip(ratio) A): PPO's pessimistic bound (arXiv 1707.06347, equation 7).
at::Tensor ClippedSurrogate(const at::Tensor& ratio_n, const at::Tensor& advantage_n,
                            const ClipRange& range) {
  const at::Tensor clipped_n = at::clamp(ratio_n, range.low, range.high);
  return at::minimum(ratio_n * advantage_n, clipped_n * advantage_n);
}

// The mean over completions of the mean over their tokens (DeepSeekMath, equation 3).
CompletionShare MeanOfCompletions(double num_tokens, double /*longest*/) {
  return {1 / num_tokens, 1};
}

// The mean over all tokens (DAPO, arXiv 2503.14476, equation 8).
CompletionShare MeanOfTokens(double num_tokens, double /*longest*/) { return {1, num_tokens}; }

// A constant divisor, so that no completion counts less for being long (arXiv 2503.20783).
CompletionShare TokensOverBudget(double /*num_tokens*/, double longest) { return {1, longest}; }

constexpr LossRecord kLosses[] = {
    {GrpoConfig::grpo, RatioLevel::kToken, ClippedSurrogate, Advantages, MeanOfCompletions},
    {GrpoConfig::dr_grpo, RatioLevel::kToken, ClippedSurrogate, Advantages, TokensOverBudget},
    {GrpoConfig::dapo, RatioLevel::kToken, ClippedSurrogate, Advantages, MeanOfTokens},
    // TRL takes the mean over its local micro-batch, which no partition-invariant trainer can; over
    // the mini-batch it is dapo.
    {GrpoConfig::bnpo, RatioLevel::kToken, ClippedSurrogate, Advantages, MeanOfTokens},
};

}  // namespace

const LossRecord& FindLoss(GrpoConfig::LossType type) {
  const auto* found = std::find_if(std::begin(kLosses), std::end(kLosses),
                                   [&](const LossRecord& record) { return record.type == type; });
  TORCH_CHECK(found != std::end(kLosses), "FindLoss: found ", GrpoConfig::LossType_Name(type),
              ", expected a type with a record");
  return *found;
}

}  // namespace deduce
