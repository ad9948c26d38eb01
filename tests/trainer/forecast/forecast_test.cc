#include "trainer/forecast/forecast.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/planned_models.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

TEST(ForecastTest, TheNumberOfRanksIsAskedForOrTheProductOfTheAxes) {
  LayoutConfig layout;
  EXPECT_EQ(*NumPlannedRanks(layout, 0), 1);
  EXPECT_EQ(*NumPlannedRanks(layout, 6), 6);
  layout.set_data_parallel(2);
  layout.set_expert_parallel(4);
  layout.set_pipeline_parallel(3);
  EXPECT_EQ(*NumPlannedRanks(layout, 0), 24);
  layout.set_context_parallel(5);
  EXPECT_EQ(*NumPlannedRanks(layout, 0), 120);
  layout.set_data_parallel(1 << 20);
  EXPECT_THAT(std::string(NumPlannedRanks(layout, 0).status().message()),
              HasSubstr("expected 1 to 1048576"));
}

// Every time of the plan is that of its parts: nothing is left out or added.
TEST(ForecastTest, StepAndSpeedFollowFromTheTimeline) {
  const absl::StatusOr<Forecast> plan = MakeForecast(TreeConfig("deepseek_v3_2048_h800"), 2048);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->layout.num_replicas(), 128);
  EXPECT_EQ(plan->update.micro_batches, 120);
  EXPECT_EQ(plan->update.padding, 0);
  EXPECT_DOUBLE_EQ(plan->update.seconds(), plan->update.timeline.makespan + 0.29);
  const double tokens = 15360.0 * 4096;
  EXPECT_DOUBLE_EQ(plan->tokens_per_second, tokens / plan->update.seconds());
  EXPECT_DOUBLE_EQ(plan->rank_hours_per_trillion_tokens,
                   1e12 / tokens * plan->update.seconds() * 2048 / 3600);
  EXPECT_DOUBLE_EQ(plan->dollars_per_trillion_tokens, 2 * plan->rank_hours_per_trillion_tokens);
  // Prediction of a published step from its parts alone; see docs/experiments/published_plans.md.
  EXPECT_NEAR(plan->update.seconds(), 19.926, 0.1 * 19.926);
}

TEST(ForecastTest, PublishedNumbersDoNotEnterThePrediction) {
  RunConfig config = TreeConfig("deepseek_v3_2048_h800");
  const absl::StatusOr<Forecast> plan = MakeForecast(config, 2048);
  config.mutable_plan()->clear_published();
  const absl::StatusOr<Forecast> other = MakeForecast(config, 2048);
  ASSERT_TRUE(plan.ok() && other.ok());
  EXPECT_EQ(plan->update.seconds(), other->update.seconds());
  EXPECT_EQ(plan->memory.front().total(), other->memory.front().total());
}

TEST(ForecastTest, TooLittleMemoryIsRefusedByTheFirstRank) {
  const RunConfig config =
      TreeConfig("deepseek_v3_2048_h800", {"plan { cluster { memory_gb: 40 } }"});
  EXPECT_THAT(std::string(MakeForecast(config, 2048).status().message()),
              HasSubstr("plan: rank 0 of the pipeline: found "));
}

TEST(ForecastTest, MicroBatchesThatAScheduleNeedsAreMadeUp) {
  const RunConfig config =
      TreeConfig("deepseek_v3_2048_h800", {"plan { sequences_per_step: 1280 }"});
  const absl::StatusOr<Forecast> plan = MakeForecast(config, 2048);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->update.micro_batches, 32);
  EXPECT_EQ(plan->update.padding, 22);
}

TEST(ForecastTest, ForwardsAloneTakeLessThanHalfOfAnUpdate) {
  const absl::StatusOr<Forecast> plan = MakeForecast(TreeConfig("deepseek_v3_2048_h800"), 2048);
  ASSERT_TRUE(plan.ok());
  const absl::StatusOr<double> forward = TimeForward(*plan, plan->shape);
  ASSERT_TRUE(forward.ok());
  EXPECT_GT(*forward, 0);
  EXPECT_LT(*forward, plan->update.seconds() / 2);
}

TEST(ForecastTest, ARunWithoutPlanSettingsIsPlannedFromItsFirstStage) {
  const absl::StatusOr<Forecast> plan = MakeForecast(TreeConfig("tiny_r1"), 2);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->cluster.name(), "cpu");
  EXPECT_EQ(plan->shape.sequences, 128);
  EXPECT_EQ(plan->shape.micro_batch_tokens, 2560);
  EXPECT_EQ(plan->update.micro_batches, 4);  // 128 * 128 tokens in sevens of 2560, on two replicas
  EXPECT_GT(plan->update.seconds(), 0);
}

TEST(ForecastTest, APlanTooLongToSimulateIsRefused) {
  const RunConfig config = TreeConfig(
      "deepseek_v3_2048_h800", {"plan { sequences_per_step: 15360000 micro_batch_tokens: 4096 }"});
  EXPECT_THAT(std::string(MakeForecast(config, 2048).status().message()),
              HasSubstr("plan.micro_batch_tokens: found 120000 micro-batches"));
}

}  // namespace
}  // namespace deduce
