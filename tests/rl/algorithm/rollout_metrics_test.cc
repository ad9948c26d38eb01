#include "rl/algorithm/rollout_metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <variant>

#include "tests/rl/tiny_rollouts.h"

namespace deduce {
namespace {

// Groups of three, two and one: rewards 0, 1, 2 (lengths 1, 2, 3); 1 and 1; one that could not be
// graded. The samples of the first two are mixed.
SampleTable Table() {
  SampleTable table;
  table.set_rollout_seconds(2);
  table.set_reward_seconds(3);
  for (const Sample& sample :
       {GradedSample(0, 0, {2}, 0), GradedSample(1, 1, {9, 9}, 1, Sample::truncated),
        GradedSample(2, 0, {9, 2}, 1), GradedSample(3, 0, {9, 9, 2}, 2),
        GradedSample(4, 1, {9, 9, 2}, 1), GradedSample(5, 2, {9, 2}, 7)})
    *table.add_sample() = sample;
  table.mutable_sample(5)->clear_reward();
  table.mutable_sample(5)->clear_rewards();
  return table;
}

RolloutMetrics Make() { return RolloutMetrics(Table()); }

double Value(const RolloutMetrics& metrics, const std::string& wanted) {
  for (const auto& [name, value] : metrics.Record()) {
    if (name == wanted) return std::get<double>(value);
  }
  ADD_FAILURE() << "no " << wanted;
  return 0;
}

TEST(RolloutMetricsTest, RewardsAreOverScorableSamples) {
  EXPECT_DOUBLE_EQ(Value(Make(), "reward"), 1);
  EXPECT_DOUBLE_EQ(Value(Make(), "reward_std"), std::sqrt(2.0 / 4));  // of 0, 1, 1, 2, 1
  EXPECT_DOUBLE_EQ(Value(Make(), "rewards/accuracy/mean"), 1);
  EXPECT_DOUBLE_EQ(Value(Make(), "rewards/unscorable_ratio"), 1.0 / 6);
}

TEST(RolloutMetricsTest, WrongAnswersAreCountedByTheirReason) {
  SampleTable table = Table();
  table.mutable_sample(0)->set_reason("no_answer");
  table.mutable_sample(1)->set_verdict(Sample::wrong);
  table.mutable_sample(1)->set_reason("not_understood");
  table.mutable_sample(2)->set_verdict(Sample::wrong);
  const RolloutMetrics metrics(table);
  EXPECT_DOUBLE_EQ(Value(metrics, "rewards/accuracy/wrong_ratio"), 3.0 / 6);
  EXPECT_DOUBLE_EQ(Value(metrics, "rewards/accuracy/no_answer_ratio"), 1.0 / 6);
  EXPECT_DOUBLE_EQ(Value(metrics, "rewards/accuracy/not_understood_ratio"), 1.0 / 6);
}

TEST(RolloutMetricsTest, AGroupWhoseScorableRewardsAgreeHasZeroDeviation) {
  EXPECT_DOUBLE_EQ(Value(Make(), "frac_reward_zero_std"), 2.0 / 3);
}

TEST(RolloutMetricsTest, LengthsAreOverAllSamples) {
  EXPECT_DOUBLE_EQ(Value(Make(), "completions/mean_length"), 13.0 / 6);
  EXPECT_DOUBLE_EQ(Value(Make(), "completions/max_length"), 3);
  EXPECT_DOUBLE_EQ(Value(Make(), "completions/clipped_ratio"), 1.0 / 6);
}

TEST(RolloutMetricsTest, TimesAndRatesAreThoseGiven) {
  RolloutMetrics metrics = Make();
  metrics.AddTimes(1, 4);
  metrics.AddTimes(0.5, 8);
  EXPECT_DOUBLE_EQ(Value(metrics, "rollout/tokens_per_second"), 13.0 / 2);
  EXPECT_DOUBLE_EQ(Value(metrics, "timing_s/rollout"), 2);
  EXPECT_DOUBLE_EQ(Value(metrics, "timing_s/reward"), 3);
  EXPECT_DOUBLE_EQ(Value(metrics, "timing_s/reference"), 1.5);
  EXPECT_DOUBLE_EQ(Value(metrics, "timing_s/train"), 12);
}

TEST(RolloutMetricsTest, TokenMetricsAreMeansOverTheTokensOfAllUpdates) {
  RolloutMetrics metrics = Make();
  metrics.AddUpdate(
      {.metric_sums = {
           {"tokens", 10}, {"kl", 5}, {"entropy", 20}, {"clip_low", 0}, {"clip_high", 1}}});
  metrics.AddUpdate(
      {.metric_sums = {
           {"tokens", 30}, {"kl", 15}, {"entropy", 0}, {"clip_low", 2}, {"clip_high", 0}}});
  EXPECT_DOUBLE_EQ(Value(metrics, "kl"), 0.5);
  EXPECT_DOUBLE_EQ(Value(metrics, "entropy"), 0.5);
  EXPECT_DOUBLE_EQ(Value(metrics, "clip_ratio/low_mean"), 0.05);
  EXPECT_DOUBLE_EQ(Value(metrics, "clip_ratio/high_mean"), 0.025);
}

TEST(RolloutMetricsTest, OneUpdateThatIsNotFiniteShowsInTheStep) {
  RolloutMetrics metrics = Make();
  metrics.AddUpdate(
      {.losses = {{"loss", 1}}, .grad_norm = 3, .max_over_mean_load = 2, .num_tokens = 5});
  EXPECT_TRUE(metrics.Combined().finite);
  metrics.AddUpdate({.losses = {{"loss", 2}},
                     .grad_norm = 5,
                     .finite = false,
                     .max_over_mean_load = 1,
                     .num_tokens = 6});
  const StepStats combined = metrics.Combined();
  EXPECT_FALSE(combined.finite);
  EXPECT_DOUBLE_EQ(combined.Loss(), 1.5);
  EXPECT_DOUBLE_EQ(combined.grad_norm, 4);
  EXPECT_DOUBLE_EQ(combined.max_over_mean_load, 2);
  EXPECT_EQ(combined.num_tokens, 11);
}

// Later updates are off-policy by intent: only the first can be expected to agree.
TEST(RolloutMetricsTest, EqualityIsAShareOfTheFirstUpdatesTokens) {
  RolloutMetrics metrics = Make();
  EXPECT_DOUBLE_EQ(Value(metrics, "rollout/logprob_bitwise_equal_ratio"), 1);
  metrics.AddUpdate({.metric_sums = {{"tokens", 4}, {"equal", 3}}});
  metrics.AddUpdate({.metric_sums = {{"tokens", 4}, {"equal", 0}}});
  EXPECT_DOUBLE_EQ(Value(metrics, "rollout/logprob_bitwise_equal_ratio"), 0.75);
}

}  // namespace
}  // namespace deduce
