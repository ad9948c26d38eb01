#include "rl/algorithm/policy_objective.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_copy.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include "kernels/ordered_sum.h"

namespace deduce {
namespace {

at::Tensor KlEstimate(GrpoConfig::KlEstimator estimator, const at::Tensor& log_prob_n,
                      const at::Tensor& ref_log_prob_n) {
  const at::Tensor d_n = ref_log_prob_n - log_prob_n;
  if (estimator == GrpoConfig::k1) return -d_n;
  if (estimator == GrpoConfig::k2) return 0.5 * d_n * d_n;
  TORCH_CHECK(estimator == GrpoConfig::k3, "PolicyObjective: found KL estimator ",
              static_cast<int>(estimator), ", expected k1, k2 or k3");
  return d_n.expm1() - d_n;
}

// How many numbers have the same bits, as fp32.
at::Tensor CountEqualBits(const at::Tensor& a_n, const at::Tensor& b_n) {
  const auto bits = [](const at::Tensor& values_n) {
    return values_n.detach().to(at::kFloat).contiguous().view(at::kInt);
  };
  return at::sum(bits(a_n).eq(bits(b_n)));
}

}  // namespace

PolicyWeights MakePolicyWeights(const LossRecord& record,
                                const std::vector<int64_t>& completion_lengths,
                                const std::vector<bool>& trains, int64_t max_completion_length) {
  TORCH_CHECK(trains.size() == completion_lengths.size(), "MakePolicyWeights: found ",
              trains.size(), " mask entries, expected ", completion_lengths.size());
  PolicyWeights weights{.token_weight = std::vector<double>(completion_lengths.size(), 0.0)};
  double count = 0;
  for (size_t i = 0; i < completion_lengths.size(); ++i) {
    if (!trains[i]) continue;
    TORCH_CHECK(completion_lengths[i] > 0, "MakePolicyWeights: found completion ", i, " of length ",
                completion_lengths[i], ", expected a positive one");
    const CompletionShare share = record.share(static_cast<double>(completion_lengths[i]),
                                               static_cast<double>(max_completion_length));
    weights.token_weight[i] = share.token_weight;
    count += share.count;
  }
  weights.count = count > 0 ? count : 1;
  return weights;
}

PolicyObjective::PolicyObjective(const GrpoConfig& config, const LossRecord& record)
    : record_(record),
      beta_(config.beta()),
      range_{1 - config.epsilon(),
             1 + (config.has_epsilon_high() ? config.epsilon_high() : config.epsilon())},
      kl_estimator_(config.kl_estimator()),
      temperature_(config.temperature()) {}

std::vector<Column> PolicyObjective::columns() const {
  std::vector<Column> columns = {Column::kWeight, Column::kAdvantage, Column::kSamplerLogProb};
  if (beta_ != 0) columns.push_back(Column::kReferenceLogProb);
  return columns;
}

at::Tensor PolicyObjective::Ratio(const LossContext& context, const at::Tensor& log_ratio_n,
                                  const at::Tensor& index_n) const {
  if (record_.ratio_level == RatioLevel::kToken) return at::exp(log_ratio_n);
  const at::Tensor zeros_x =
      at::zeros({context.batch().num_tokens()}, log_ratio_n.options().requires_grad(false));
  const at::Tensor ones_n = at::full(index_n.sizes(), 1.0, zeros_x.options());
  const at::Tensor sum_s = context.SequenceSum(at::index_copy(zeros_x, 0, index_n, log_ratio_n));
  const at::Tensor count_s = context.SequenceSum(at::index_copy(zeros_x, 0, index_n, ones_n));
  const at::Tensor mean_x = context.OfTokens(sum_s / count_s.clamp_min(1));
  return at::exp(at::index_select(mean_x, 0, index_n)).to(log_ratio_n.scalar_type());
}

LossTerms PolicyObjective::operator()(const LossContext& context) const {
  const PackedBatch& batch = context.batch();
  const TokenLogProbs& log_probs = context.log_probs();
  // Only the tokens that train: an infinite ratio elsewhere would turn its weight of 0 into NaN.
  const at::Tensor index_n = batch.WeightedTokens();
  const auto pick = [&](const at::Tensor& values_x) {
    return at::index_select(values_x, 0, index_n);
  };
  const at::Tensor log_prob_n = pick(log_probs.log_prob_t);
  const at::Tensor advantage_n = pick(batch[Column::kAdvantage]);
  const at::Tensor sampler_log_prob_n = pick(batch[Column::kSamplerLogProb]);
  const at::Tensor ratio_n = Ratio(context, log_prob_n - sampler_log_prob_n, index_n);
  at::Tensor objective_n = record_.surrogate(ratio_n, advantage_n, range_);
  at::Tensor kl = at::zeros({}, log_prob_n.options().requires_grad(false));
  if (batch.Has(Column::kReferenceLogProb) || beta_ != 0) {
    const at::Tensor kl_n =
        KlEstimate(kl_estimator_, log_prob_n, pick(batch[Column::kReferenceLogProb]));
    kl = OrderedSum(kl_n);
    if (beta_ != 0) objective_n = objective_n - beta_ * kl_n;
  }
  LossTerms terms;
  // In double: the split into micro-batches then shows in the last bit of the result at most.
  const at::Tensor sum = at::sum((objective_n * pick(batch[Column::kWeight])).to(at::kDouble));
  terms.components.push_back(
      {.name = "loss", .sum = -sum.to(log_prob_n.scalar_type()), .count = kPolicyCount});

  const at::Tensor ratios_n = ratio_n.detach();
  const at::Tensor low_n = (ratios_n < range_.low).logical_and(advantage_n < 0);
  const at::Tensor high_n = (ratios_n > range_.high).logical_and(advantage_n > 0);
  terms.metric_sums = {{"tokens", at::full({}, index_n.numel(), index_n.options())},
                       {"kl", kl},
                       {"entropy", OrderedSum(pick(log_probs.entropy_t))},
                       {"clip_low", at::sum(low_n)},
                       {"clip_high", at::sum(high_n)},
                       {"ratio", OrderedSum(ratios_n)},
                       {"equal", CountEqualBits(log_prob_n, sampler_log_prob_n)}};
  return terms;
}

}  // namespace deduce
