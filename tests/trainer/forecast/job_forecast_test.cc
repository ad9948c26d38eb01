#include "trainer/forecast/job_forecast.h"

#include <gtest/gtest.h>

#include "tests/rl/tiny_plan.h"

namespace deduce {
namespace {

TEST(JobForecastTest, ARolloutLastsAsLongAsTheSlowerOfItsBounds) {
  EXPECT_EQ((GrpoStageForecast{.full_batch_decode = 3, .longest_decode = 5}).rollout(), 5);
  EXPECT_EQ((GrpoStageForecast{.full_batch_decode = 7, .longest_decode = 5}).rollout(), 7);
}

TEST(JobForecastTest, TheJobIsTheSumOfItsStagesSteps) {
  const ForecastJob planned = PlanOf("r1_zero_512_h800");
  ASSERT_EQ(planned.job.stages.size(), 2u);
  double seconds = 0, updates = 0;
  for (const GrpoStageForecast& stage : planned.job.stages) {
    EXPECT_DOUBLE_EQ(stage.step(),
                     stage.rollout() + stage.reference + stage.training + stage.switches);
    seconds += stage.steps * stage.step();
    updates += stage.updates;
  }
  EXPECT_EQ(updates, 10400);  // the paper's
  EXPECT_DOUBLE_EQ(planned.job.hours, seconds / 3600);
  EXPECT_DOUBLE_EQ(planned.job.rank_hours, 512 * planned.job.hours);
  EXPECT_DOUBLE_EQ(planned.job.dollars, 2 * planned.job.rank_hours);
}

TEST(JobForecastTest, DecodingFollowsTheStatedRates) {
  const ForecastJob planned = PlanOf(
      "r1_zero_512_h800",
      {"plan { rollout { stage: 'zero_32k' mean_completion_tokens: 1000 "
       "sequence_tokens_per_second: 64 rank_tokens_per_second: 100 longest_tokens: 6400 } }"});
  EXPECT_DOUBLE_EQ(planned.job.stages[0].full_batch_decode, 8192 * 1000 / (100.0 * 512));
  EXPECT_DOUBLE_EQ(planned.job.stages[0].longest_decode, 100);
}

TEST(JobForecastTest, WithoutAKlTermThereIsNoReference) {
  const ForecastJob planned =
      PlanOf("r1_zero_512_h800", {"stage { name: 'zero_32k' grpo { beta: 0 } }"});
  EXPECT_EQ(planned.job.stages[0].reference, 0);
  EXPECT_GT(planned.job.stages[1].reference, 0);
}

TEST(JobForecastTest, WithoutRolloutPlansThereIsNoJob) {
  EXPECT_TRUE(PlanOf("deepseek_v3_2048_h800").job.stages.empty());
}

}  // namespace
}  // namespace deduce
