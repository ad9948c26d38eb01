#include "trainer/step/cross_entropy.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace deduce {
namespace {

struct Example {
  PackedBatch batch;
  TokenLogProbs log_probs;
};

Example MakeExample(const std::vector<float>& log_probs, const std::vector<float>& weights) {
  Example example;
  const int64_t n = static_cast<int64_t>(weights.size());
  example.batch.tokens_x = at::zeros({n}, at::kLong);
  example.batch.positions_x = example.batch.targets_x = example.batch.tokens_x;
  example.batch.sequence_starts = {0, n};
  example.batch.sample_ids = {0};
  example.batch.columns[Column::kWeight] = at::tensor(weights, at::kFloat);
  example.log_probs.log_prob_t = at::tensor(log_probs, at::kFloat).set_requires_grad(true);
  example.log_probs.entropy_t = at::tensor(log_probs, at::kFloat).neg();
  return example;
}

LossTerms Terms(const Example& example) {
  return CrossEntropy()(LossContext(example.batch, example.log_probs));
}

at::Tensor Sum(const Example& example) { return Terms(example).components.at(0).sum; }

TEST(CrossEntropyTest, SumIsTheWeightedNegativeLogProbability) {
  const Example example = MakeExample({-1, -2, -4, -8}, {1, 0, 0.5, 1});
  EXPECT_EQ(Sum(example).item<float>(), 1 + 2 + 8);
  EXPECT_EQ(Sum(example).dim(), 0);
}

TEST(CrossEntropyTest, GradientIsMinusTheWeight) {
  const Example example = MakeExample({-1, -2, -4, -8}, {1, 0, 0.5, 3});
  Sum(example).backward();
  EXPECT_TRUE(example.log_probs.log_prob_t.grad().equal(example.batch[Column::kWeight].neg()));
}

TEST(CrossEntropyTest, MetricsCountOnlyTokensWithAWeight) {
  const Example example = MakeExample({-1, -2, -4, -8}, {1, 0, 0.5, 1});
  const LossTerms terms = Terms(example);
  const std::map<std::string, at::Tensor> metrics(terms.metric_sums.begin(),
                                                  terms.metric_sums.end());
  EXPECT_EQ(metrics.at("tokens").item<double>(), 3);
  EXPECT_EQ(metrics.at("entropy").item<double>(), 13);
}

TEST(CrossEntropyTest, AnEmptyBatchAddsNothingButKeepsItsGraph) {
  Example example = MakeExample({}, {});
  example.batch = EmptyBatch();
  const LossTerms terms = Terms(example);
  EXPECT_EQ(terms.components.at(0).sum.item<float>(), 0);
  terms.components.at(0).sum.backward();
  EXPECT_TRUE(example.log_probs.log_prob_t.grad().defined());
  for (const auto& [name, sum] : terms.metric_sums) EXPECT_EQ(sum.item<double>(), 0) << name;
}

TEST(CrossEntropyTest, SumDoesNotDependOnTheSplitIntoMicroBatches) {
  std::vector<float> log_probs, weights;
  for (int i = 0; i < 1000; ++i) {
    log_probs.push_back(-std::abs(std::sin(i * 1.7f)) * 10);
    weights.push_back(i % 3 == 0 ? 0.0f : 1.0f / (1 + i % 7));
  }
  const Example whole = MakeExample(log_probs, weights);
  const double expected = Sum(whole).item<float>();
  for (const int size : {1, 7, 64, 333}) {
    double sum = 0;
    for (int begin = 0; begin < 1000; begin += size) {
      const int end = std::min(1000, begin + size);
      const Example part = MakeExample({log_probs.begin() + begin, log_probs.begin() + end},
                                       {weights.begin() + begin, weights.begin() + end});
      sum += Sum(part).item<float>();
    }
    // Every part, and the whole, is rounded to fp32 once: 2^-24 each, terms of one sign.
    EXPECT_NEAR(sum, expected, 2 * std::ldexp(expected, -24)) << "micro-batches of " << size;
  }
}

TEST(CrossEntropyTest, ThereIsACountForEveryComponent) {
  EXPECT_EQ(CrossEntropy().MakeCounts(3.5, 1.5), (Counts{{"tokens", 3.5}}));
  EXPECT_EQ(CrossEntropy(0.3).MakeCounts(3.5, 1.5),
            (Counts{{"tokens", 3.5}, {"next_tokens", 1.5}}));
}

TEST(CrossEntropyTest, NoCountOfNextTokensIsZeroWhichWouldDivideTheirSum) {
  EXPECT_EQ(CrossEntropy(0.3).MakeCounts(1, 0), (Counts{{"tokens", 1}, {"next_tokens", 1}}));
}

TEST(CrossEntropyTest, ThePredictionModuleIsAComponentOfItsOwn) {
  const Example example = MakeExample({-1, -2, -4, -8}, {1, 1, 1, 0});
  const Example ahead = MakeExample({-3, -5, -7, -9}, {0.5, 1, 0, 0});
  LossContext context(example.batch, example.log_probs);
  context.Add(Head::kNextToken, ahead.batch, ahead.log_probs);
  const LossTerms terms = CrossEntropy(0.3)(context);
  ASSERT_EQ(terms.components.size(), 2U);
  const LossComponent& module = terms.components[1];
  EXPECT_EQ(module.name, "mtp_loss");
  EXPECT_EQ(module.count, "next_tokens");
  EXPECT_EQ(module.weight, 0.3);
  EXPECT_EQ(module.sum.item<float>(), 6.5);
  EXPECT_EQ(terms.components[0].sum.item<float>(), 7);
}

TEST(CrossEntropyTest, AModuleWithoutWeightRests) {
  EXPECT_EQ(CrossEntropy().heads(), std::vector<Head>{Head::kToken});
  EXPECT_EQ(CrossEntropy(0.3).heads(), (std::vector<Head>{Head::kToken, Head::kNextToken}));
}

}  // namespace
}  // namespace deduce
