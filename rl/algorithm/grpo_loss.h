// The GRPO objective (DeepSeekMath, arXiv 2402.03300, equation 3; R1, arXiv 2501.12948) as a loss
// function, and the token weights and count that make it GRPO, Dr. GRPO or DAPO.
#pragma once

#include <cstdint>
#include <vector>

#include "configs/objective.pb.h"
#include "trainer/step/loss.h"

namespace deduce {

// Weight of every token of a sample in the loss sum, and the count that the sum over the mini-batch
// is divided by.
struct GrpoWeights {
  std::vector<double> token_weight;  // one a sample; 0 where it does not train
  double count = 1;
};

// For the samples of one optimizer step (a mini-batch, over all ranks), n_i = completion_lengths[i]
// tokens each:
//   grpo     weight 1 / n_i, count = completions: the mean over outputs of the mean over tokens
//   dapo     weight 1, count = completion tokens (DAPO, arXiv 2503.14476, equation 8)
//   bnpo     the same: TRL normalises over its local micro-batch, which no partition-invariant
//   trainer can; over the mini-batch
//            it is dapo
//   dr_grpo  weight 1, count = completions * max_completion_length (arXiv 2503.20783)
// A sample with trains[i] false (unscorable; truncated, under mask_truncated_completions) has
// weight 0 and enters no count: the step is the one without it. (TRL keeps masked completions in
// the denominator, which shrinks the others' gradients.) If none trains, all weights are 0 and the
// count is 1. Other loss types, a length of 0 and sizes that do not fit throw c10::Error.
GrpoWeights MakeGrpoWeights(GrpoConfig::LossType loss_type,
                            const std::vector<int64_t>& completion_lengths,
                            const std::vector<bool>& trains, int64_t max_completion_length);

// Per token, with ratio = exp(log_prob - old_log_prob) and advantage A:
//   loss = -(min(ratio A, clip(ratio, 1 - epsilon, 1 + epsilon_high) A) - beta KL), times its
//   weight.
// KL by d = ref_log_prob - log_prob: k1 = -d, k2 = d^2 / 2, k3 = exp(d) - d - 1 (Schulman 2020),
// differentiated as they stand. Tokens of weight 0 take no part, whatever their other entries are.
// The reference log-probs may be missing when beta is 0 (then the metric kl is 0). Metrics, sums
// over tokens with a weight: tokens, kl, entropy, clip_low (A < 0 and the ratio below the range),
// clip_high (A > 0 and the ratio above it), ratio, equal (the log-probability has the bits of the
// old one).
class GrpoLoss : public LossFn {
 public:
  explicit GrpoLoss(const GrpoConfig& config);
  LossTerms operator()(const PackedBatch& batch, const TokenLogProbs& log_probs) const override;
  double temperature() const override { return temperature_; }

 private:
  double beta_;
  double epsilon_low_;
  double epsilon_high_;  // epsilon where unset
  GrpoConfig::KlEstimator kl_estimator_;
  double temperature_;
};

}  // namespace deduce
