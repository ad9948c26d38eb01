// The objective of a GRPO step (DeepSeekMath, arXiv 2402.03300, equation 3; R1, arXiv 2501.12948),
// or of another policy loss with a record in the table, and the token weights and count of a
// mini-batch.
#pragma once

#include <cstdint>
#include <vector>

#include "configs/run.pb.h"
#include "rl/algorithm/loss_table.h"
#include "trainer/step/objective.h"

namespace deduce {

// Weight of every token of a completion in the loss sum, and the count that the sum over the
// mini-batch is divided by.
struct PolicyWeights {
  std::vector<double> token_weight;  // one a completion; 0 where it does not train
  double count = 1;
};

// For the completions of one optimizer step (a mini-batch, over all ranks), by the record's share
// of their numbers of tokens. A completion with trains[i] false (unscorable; truncated, under
// mask_truncated_completions) has weight 0 and enters no count: the step is the one without it.
// (TRL keeps masked completions in the denominator, which shrinks the others' gradients.) If none
// trains, all weights are 0 and the count is 1. A length of 0 that trains and sizes that do not fit
// throw c10::Error.
PolicyWeights MakePolicyWeights(const LossRecord& record,
                                const std::vector<int64_t>& completion_lengths,
                                const std::vector<bool>& trains, int64_t max_completion_length);

// Per token, with ratio = exp(log_prob - sampler_log_prob), or its mean over the completion, and
// advantage A:
//   loss = -(surrogate(ratio, A) - beta KL), times its weight,
// where GRPO's surrogate is min(ratio A, clip(ratio, 1 - epsilon, 1 + epsilon_high) A).
// KL by d = reference_log_prob - log_prob: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - d - 1 (Schulman
// 2020), differentiated as they stand. Tokens of weight 0 take no part, whatever their other
// entries are. The reference column may be missing when beta is 0 (then the metric kl is 0).
// Component: "loss" over the count kPolicyCount. Metrics, sums over tokens with a weight: tokens,
// kl, entropy, clip_low (A < 0 and the ratio below the range), clip_high (A > 0 and the ratio above
// it), ratio, equal (the log-probability has the bits of the sampler's).
class PolicyObjective : public Objective {
 public:
  static constexpr char kPolicyCount[] = "policy";

  // record: must outlive the objective.
  PolicyObjective(const GrpoConfig& config, const LossRecord& record);

  std::vector<Column> columns() const override;
  LossTerms operator()(const LossContext& context) const override;
  double temperature() const override { return temperature_; }

 private:
  // Differentiable, of the tokens index_n alone.
  at::Tensor Ratio(const LossContext& context, const at::Tensor& log_ratio_n,
                   const at::Tensor& index_n) const;

  const LossRecord& record_;
  double beta_;
  ClipRange range_;  // epsilon_high is epsilon where unset
  GrpoConfig::KlEstimator kl_estimator_;
  double temperature_;
};

}  // namespace deduce
