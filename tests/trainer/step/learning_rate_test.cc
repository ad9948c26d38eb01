#include "trainer/step/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace deduce {
namespace {

// The DeepSeek-V3 run at one step per 100M tokens: 14.8T tokens.
constexpr int64_t kV3Steps = 148000;
int64_t StepAt(double trillion_tokens) { return static_cast<int64_t>(trillion_tokens * 1e4); }

OptimizerConfig V3Config() {
  OptimizerConfig config;
  config.set_schedule(OptimizerConfig::deepseek_v3);
  config.set_learning_rate(2.2e-4);
  config.set_min_learning_rate(2.2e-5);
  config.set_final_learning_rate(7.3e-6);
  config.set_warmup_steps(2000);
  return config;
}

TEST(LearningRateTest, WarmUpIsLinearAndEndsAtTheFullRate) {
  OptimizerConfig config;
  config.set_learning_rate(1e-3);
  config.set_warmup_steps(4);
  EXPECT_DOUBLE_EQ(LearningRate(config, 0, 10), 0.25e-3);
  EXPECT_DOUBLE_EQ(LearningRate(config, 1, 10), 0.5e-3);
  EXPECT_DOUBLE_EQ(LearningRate(config, 3, 10), 1e-3);
  EXPECT_DOUBLE_EQ(LearningRate(config, 4, 10), 1e-3);
  EXPECT_DOUBLE_EQ(LearningRate(config, 9, 10), 1e-3);
}

TEST(LearningRateTest, CosineGoesFromTheFullRateThroughTheMiddleToTheMinimum) {
  OptimizerConfig config;
  config.set_schedule(OptimizerConfig::cosine);
  config.set_learning_rate(1e-3);
  config.set_min_learning_rate(1e-4);
  config.set_warmup_steps(10);
  EXPECT_DOUBLE_EQ(LearningRate(config, 10, 110), 1e-3);
  EXPECT_NEAR(LearningRate(config, 60, 110), 5.5e-4, 1e-15);
  EXPECT_DOUBLE_EQ(LearningRate(config, 109, 110),
                   1e-4 + 0.5 * 9e-4 * (1 + std::cos(std::numbers::pi * 0.99)));
}

TEST(LearningRateTest, NoStepOfACosineHasARateOfZero) {
  OptimizerConfig config;
  config.set_schedule(OptimizerConfig::cosine);
  config.set_learning_rate(1e-3);
  EXPECT_EQ(LearningRate(config, 0, 1), 1e-3);
  EXPECT_GT(LearningRate(config, 9, 10), 0);
}

TEST(LearningRateTest, DeepSeekV3HitsThePublishedPoints) {
  const OptimizerConfig config = V3Config();
  EXPECT_DOUBLE_EQ(LearningRate(config, 999, kV3Steps), 1.1e-4);  // half of 2,000 warm-up steps
  EXPECT_DOUBLE_EQ(LearningRate(config, 2000, kV3Steps), 2.2e-4);
  EXPECT_DOUBLE_EQ(LearningRate(config, StepAt(10), kV3Steps), 2.2e-4);
  // The shares are given to five digits, so the middle is right to 1e-5 of the range.
  EXPECT_NEAR(LearningRate(config, StepAt(12.15), kV3Steps), (2.2e-4 + 2.2e-5) / 2, 1e-8);
  EXPECT_NEAR(LearningRate(config, StepAt(14.3) - 1, kV3Steps), 2.2e-5, 1e-9);
  EXPECT_DOUBLE_EQ(LearningRate(config, StepAt(14.31), kV3Steps), 2.2e-5);
  EXPECT_DOUBLE_EQ(LearningRate(config, StepAt(14.63), kV3Steps), 2.2e-5);
  EXPECT_DOUBLE_EQ(LearningRate(config, StepAt(14.64), kV3Steps), 7.3e-6);
  EXPECT_DOUBLE_EQ(LearningRate(config, kV3Steps - 1, kV3Steps), 7.3e-6);
}

TEST(LearningRateTest, DeepSeekV3NeverRisesAfterWarmUp) {
  const OptimizerConfig config = V3Config();
  double previous = LearningRate(config, 2000, kV3Steps);
  for (int64_t step = 2001; step < kV3Steps; step += 37) {
    const double rate = LearningRate(config, step, kV3Steps);
    ASSERT_LE(rate, previous) << "step " << step;
    previous = rate;
  }
}

}  // namespace
}  // namespace deduce
