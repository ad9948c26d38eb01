#include "rl/run/best_checkpoint.h"

#include <gtest/gtest.h>

#include <limits>

namespace deduce {
namespace {

CheckpointConfig Metric(const std::string& name) {
  CheckpointConfig config;
  config.set_best_metric(name);
  return config;
}

// The best of steps 1, 2, ... with these values.
int64_t BestOf(const std::string& metric, const std::vector<double>& values) {
  BestCheckpoint best(Metric(metric));
  int64_t step = 0;
  for (const double value : values) best.Consider(++step, {{"lr", 1e9}, {metric, value}});
  return best.step().value_or(-1);
}

TEST(BestCheckpointTest, OfALossTheLowestIsBestAndOfOthersTheHighest) {
  EXPECT_EQ(BestOf("eval/loss", {3, 1, 2}), 2);
  EXPECT_EQ(BestOf("mtp_loss", {3, 1, 2}), 2);
  EXPECT_EQ(BestOf("eval/chain_sum/pass@1", {1, 3, 2}), 2);
  EXPECT_EQ(BestOf("reward", {-1, -3, -2}), 1);
}

TEST(BestCheckpointTest, OfEqualValuesTheFirstStays) { EXPECT_EQ(BestOf("reward", {1, 2, 2}), 2); }

TEST(BestCheckpointTest, WhatIsNoNumberNeverCounts) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(BestOf("reward", {nan}), -1);
  EXPECT_EQ(BestOf("reward", {nan, -5, nan}), 2);
}

TEST(BestCheckpointTest, AStepWithoutTheMetricAndARunWithoutOneHaveNone) {
  BestCheckpoint best(Metric("reward")), none{CheckpointConfig()};
  best.Consider(1, {{"loss", 1.0}});
  none.Consider(1, {{"loss", 1.0}});
  EXPECT_FALSE(best.step().has_value());
  EXPECT_FALSE(none.step().has_value());
}

TEST(BestCheckpointTest, GoesOnFromAStateUnlessTheMetricIsAnother) {
  BestCheckpoint best(Metric("reward"));
  best.Consider(4, {{"reward", 2.0}});
  const nlohmann::json state = {{"best", best.ToJson()}};
  BestCheckpoint later = BestCheckpoint::Of(state, Metric("reward"));
  later.Consider(5, {{"reward", 1.0}});
  EXPECT_EQ(later.step(), 4);
  EXPECT_FALSE(BestCheckpoint::Of(state, Metric("loss")).step().has_value());
  EXPECT_FALSE(BestCheckpoint::Of({{"step", 1}}, Metric("reward")).step().has_value());
}

TEST(BestCheckpointTest, AnEvaluationWithoutTheMetricIsNoticed) {
  EXPECT_TRUE(BestCheckpoint(Metric("eval/los")).IsMissingFrom({{"eval/loss", 1.0}}));
  EXPECT_FALSE(BestCheckpoint(Metric("eval/loss")).IsMissingFrom({{"eval/loss", 1.0}}));
  EXPECT_TRUE(BestCheckpoint(Metric("rewrad")).IsMissingFrom({{"reward", 1.0}}));
  EXPECT_FALSE(BestCheckpoint(Metric("")).IsMissingFrom({{"reward", 1.0}}));
}

}  // namespace
}  // namespace deduce
