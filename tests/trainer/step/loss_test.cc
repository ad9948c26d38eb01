#include "trainer/step/loss.h"

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
  example.batch.sequence_starts = {0, n};
  example.batch.sample_ids = {0};
  example.batch.columns[Column::kWeight] = at::tensor(weights, at::kFloat);
  example.log_probs.log_prob_t = at::tensor(log_probs, at::kFloat).set_requires_grad(true);
  example.log_probs.entropy_t = at::tensor(log_probs, at::kFloat).neg();
  return example;
}

TEST(CrossEntropyLossTest, SumIsTheWeightedNegativeLogProbability) {
  const Example example = MakeExample({-1, -2, -4, -8}, {1, 0, 0.5, 1});
  const LossTerms terms = CrossEntropyLoss()(example.batch, example.log_probs);
  EXPECT_EQ(terms.sum.item<float>(), 1 + 2 + 8);
  EXPECT_EQ(terms.sum.dim(), 0);
}

TEST(CrossEntropyLossTest, GradientIsMinusTheWeight) {
  const Example example = MakeExample({-1, -2, -4, -8}, {1, 0, 0.5, 3});
  CrossEntropyLoss()(example.batch, example.log_probs).sum.backward();
  EXPECT_TRUE(example.log_probs.log_prob_t.grad().equal(example.batch[Column::kWeight].neg()));
}

TEST(CrossEntropyLossTest, MetricsCountOnlyTokensWithAWeight) {
  const Example example = MakeExample({-1, -2, -4, -8}, {1, 0, 0.5, 1});
  const LossTerms terms = CrossEntropyLoss()(example.batch, example.log_probs);
  const std::map<std::string, double> metrics(terms.metric_sums.begin(), terms.metric_sums.end());
  EXPECT_EQ(metrics.at("tokens"), 3);
  EXPECT_EQ(metrics.at("entropy"), 13);
}

TEST(CrossEntropyLossTest, AnEmptyBatchAddsNothingButKeepsItsGraph) {
  TokenLogProbs log_probs;
  log_probs.log_prob_t = at::zeros({0}, at::kFloat).set_requires_grad(true);
  log_probs.entropy_t = at::zeros({0}, at::kFloat);
  const LossTerms terms = CrossEntropyLoss()(PackedBatch(), log_probs);
  EXPECT_EQ(terms.sum.item<float>(), 0);
  terms.sum.backward();
  EXPECT_TRUE(log_probs.log_prob_t.grad().defined());
  EXPECT_THAT(terms.metric_sums,
              testing::ElementsAre(testing::Pair("tokens", 0.0), testing::Pair("entropy", 0.0)));
}

TEST(CrossEntropyLossTest, SumDoesNotDependOnTheSplitIntoMicroBatches) {
  std::vector<float> log_probs, weights;
  for (int i = 0; i < 1000; ++i) {
    log_probs.push_back(-std::abs(std::sin(i * 1.7f)) * 10);
    weights.push_back(i % 3 == 0 ? 0.0f : 1.0f / (1 + i % 7));
  }
  const Example whole = MakeExample(log_probs, weights);
  const double expected = CrossEntropyLoss()(whole.batch, whole.log_probs).sum.item<float>();
  for (const int size : {1, 7, 64, 333}) {
    double sum = 0;
    for (int begin = 0; begin < 1000; begin += size) {
      const int end = std::min(1000, begin + size);
      const Example part = MakeExample({log_probs.begin() + begin, log_probs.begin() + end},
                                       {weights.begin() + begin, weights.begin() + end});
      sum += CrossEntropyLoss()(part.batch, part.log_probs).sum.item<float>();
    }
    // Every part, and the whole, is rounded to fp32 once: 2^-24 each, terms of one sign.
    EXPECT_NEAR(sum, expected, 2 * std::ldexp(expected, -24)) << "micro-batches of " << size;
  }
}

TEST(CrossEntropyCountTest, IsTheSumOfAllWeights) {
  const std::vector<PackedBatch> batches = {MakeExample({-1, -1}, {1, 0}).batch, PackedBatch(),
                                            MakeExample({-1, -1, -1}, {1, 0.5, 1}).batch};
  EXPECT_EQ(CrossEntropyCount(batches), 3.5);
}

TEST(CrossEntropyLossTest, UsesMtpIsWhatWasAskedFor) {
  EXPECT_FALSE(CrossEntropyLoss().uses_mtp());
  EXPECT_TRUE(CrossEntropyLoss(true).uses_mtp());
  EXPECT_EQ(CrossEntropyLoss().temperature(), 1);
}

}  // namespace
}  // namespace deduce
