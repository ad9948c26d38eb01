#include "rl/algorithm/grpo_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/sum.h>

#include <cstring>

namespace deduce {
namespace {

// What the loss reports, in order.
constexpr const char* kMetrics[] = {"tokens",    "kl",    "entropy", "clip_low",
                                    "clip_high", "ratio", "equal"};

// Sum of a tensor's elements in order of index.
double OrderedSum(const at::Tensor& values_n) {
  const at::Tensor contiguous_n = values_n.contiguous();
  const float* value = contiguous_n.const_data_ptr<float>();
  double sum = 0;
  for (int64_t i = 0; i < contiguous_n.numel(); ++i) sum += value[i];
  return sum;
}

double CountEqualBits(const at::Tensor& a_n, const at::Tensor& b_n) {
  const float* a = a_n.const_data_ptr<float>();
  const float* b = b_n.const_data_ptr<float>();
  int64_t count = 0;
  for (int64_t i = 0; i < a_n.numel(); ++i) count += std::memcmp(a + i, b + i, sizeof(float)) == 0;
  return static_cast<double>(count);
}

at::Tensor KlEstimate(GrpoConfig::KlEstimator estimator, const at::Tensor& log_prob_n,
                      const at::Tensor& ref_log_prob_n) {
  const at::Tensor d_n = ref_log_prob_n - log_prob_n;
  if (estimator == GrpoConfig::k1) return -d_n;
  if (estimator == GrpoConfig::k2) return 0.5 * d_n * d_n;
  TORCH_CHECK(estimator == GrpoConfig::k3, "GrpoLoss: found KL estimator ",
              static_cast<int>(estimator), ", expected k1, k2 or k3");
  return d_n.expm1() - d_n;
}

}  // namespace

GrpoWeights MakeGrpoWeights(GrpoConfig::LossType loss_type,
                            const std::vector<int64_t>& completion_lengths,
                            const std::vector<bool>& trains, int64_t max_completion_length) {
  TORCH_CHECK(trains.size() == completion_lengths.size(), "MakeGrpoWeights: found ", trains.size(),
              " mask entries, expected ", completion_lengths.size());
  GrpoWeights weights;
  weights.token_weight.assign(completion_lengths.size(), 0.0);
  double count = 0;
  for (size_t i = 0; i < completion_lengths.size(); ++i) {
    const double length = static_cast<double>(completion_lengths[i]);
    TORCH_CHECK(length > 0, "MakeGrpoWeights: found completion ", i, " of length ", length,
                ", expected a positive one");
    if (!trains[i]) continue;
    switch (loss_type) {
      case GrpoConfig::grpo:
        weights.token_weight[i] = 1 / length;
        count += 1;
        break;
      case GrpoConfig::dapo:
      case GrpoConfig::bnpo:
        weights.token_weight[i] = 1;
        count += length;
        break;
      case GrpoConfig::dr_grpo:
        weights.token_weight[i] = 1;
        count += static_cast<double>(max_completion_length);
        break;
      default:
        TORCH_CHECK(false, "MakeGrpoWeights: found loss_type ",
                    GrpoConfig::LossType_Name(loss_type), ", expected grpo, dapo, bnpo or dr_grpo");
    }
  }
  weights.count = count > 0 ? count : 1;
  return weights;
}

GrpoLoss::GrpoLoss(const GrpoConfig& config)
    : beta_(config.beta()),
      epsilon_low_(config.epsilon()),
      epsilon_high_(config.has_epsilon_high() ? config.epsilon_high() : config.epsilon()),
      kl_estimator_(config.kl_estimator()),
      temperature_(config.temperature()) {}

LossTerms GrpoLoss::operator()(const PackedBatch& batch, const TokenLogProbs& log_probs) const {
  TORCH_CHECK(log_probs.log_prob_t.numel() == batch.num_tokens(), "GrpoLoss: found ",
              log_probs.log_prob_t.numel(), " log-probabilities, expected ", batch.num_tokens());
  LossTerms terms;
  if (batch.num_tokens() == 0) {  // its tensors may be undefined
    terms.sum = at::sum(log_probs.log_prob_t);
    for (const char* name : kMetrics) {
      terms.metric_sums.emplace_back(name, 0.0);
    }
    return terms;
  }
  const bool has_reference = batch.Has(Column::kReferenceLogProb);
  TORCH_CHECK(has_reference || beta_ == 0,
              "GrpoLoss: found no reference log-probs, expected them with beta ", beta_);
  // Only the tokens that train: an infinite ratio elsewhere would turn its weight of 0 into NaN.
  const at::Tensor index_n = at::nonzero(batch[Column::kWeight]).flatten();
  const auto pick = [&](const at::Tensor& values_x) {
    return at::index_select(values_x, 0, index_n);
  };
  const at::Tensor log_prob_n = pick(log_probs.log_prob_t);
  const at::Tensor advantage_n = pick(batch[Column::kAdvantage]);
  const at::Tensor old_log_prob_n = pick(batch[Column::kSamplerLogProb]);
  const at::Tensor ratio_n = at::exp(log_prob_n - old_log_prob_n);
  const at::Tensor clipped_n = at::clamp(ratio_n, 1 - epsilon_low_, 1 + epsilon_high_);
  at::Tensor objective_n = at::minimum(ratio_n * advantage_n, clipped_n * advantage_n);
  double kl = 0;
  if (has_reference) {
    const at::Tensor kl_n =
        KlEstimate(kl_estimator_, log_prob_n, pick(batch[Column::kReferenceLogProb]));
    kl = OrderedSum(kl_n.detach());
    if (beta_ != 0) objective_n = objective_n - beta_ * kl_n;
  }
  // In double: the split into micro-batches then shows in the last bit of the result at most.
  terms.sum = -at::sum((objective_n * pick(batch[Column::kWeight])).to(at::kDouble)).to(at::kFloat);

  const at::Tensor low_n = (ratio_n < 1 - epsilon_low_).logical_and(advantage_n < 0);
  const at::Tensor high_n = (ratio_n > 1 + epsilon_high_).logical_and(advantage_n > 0);
  terms.metric_sums = {{"tokens", static_cast<double>(index_n.numel())},
                       {"kl", kl},
                       {"entropy", OrderedSum(pick(log_probs.entropy_t))},
                       {"clip_low", OrderedSum(low_n.to(at::kFloat))},
                       {"clip_high", OrderedSum(high_n.to(at::kFloat))},
                       {"ratio", OrderedSum(ratio_n.detach())},
                       {"equal", CountEqualBits(log_prob_n.detach(), old_log_prob_n)}};
  return terms;
}

}  // namespace deduce
