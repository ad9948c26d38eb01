#include "rl/commands/forecast_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/rl/tiny_plan.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ForecastTextTest, ATimelineRowShowsWhatIsDoneInTheMiddleOfEachPart) {
  const std::vector<TimedStep> steps = {
      {.step = {{.work = Work::kForward}}, .begin = 0, .end = 2},
      {.step = {{.work = Work::kForward}, Action{.work = Work::kBackward}}, .begin = 2, .end = 4},
      {.step = {{.work = Work::kInputGradient}}, .begin = 5, .end = 6},
      {.step = {{.work = Work::kWeightGradient}}, .begin = 6, .end = 7}};
  EXPECT_EQ(TimelineRow(steps, 0, 8, 8), "ff==.bw.");
  EXPECT_EQ(TimelineRow(steps, 0, 8, 4), "f=b.");
  EXPECT_EQ(TimelineRow(steps, 4, 8, 4), ".bw.");
  EXPECT_EQ(TimelineRow({}, 0, 0, 3), "...");
}

TEST(ForecastTextTest, EverythingIsTold) {
  const ForecastJob planned = PlanOf("deepseek_v3_2048_h800");
  const std::string text = ForecastText(planned.plan, planned.job);
  for (const char* part :
       {"layout: 2048 ranks = pipeline_parallel 16 x expert_parallel 64 x data_parallel 2",
        "pipeline rank 0 and 15: embedding, layers 0 to 4", "head, prediction module",
        "proof: the ", "memory, GB a rank:", "timeline (", "step: ", "671026404352",
        "thousand rank-hours", "assumptions:", "beside published numbers", "calibrated on"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("reinforcement learning")));
}

// No column could show one of 576 micro-batches.
TEST(ForecastTextTest, OfALongTimelineTheEndsAreShownInColumnsThatShowTheWork) {
  const std::vector<std::string> one_rank = {
      "layout { data_parallel: 1 } plan { sequence_length: 64 micro_batch_tokens: 64 }"};
  const auto timeline = [&](int sequences) {
    std::vector<std::string> sets = one_rank;
    sets.push_back("plan { sequences_per_step: " + std::to_string(sequences) + " }");
    const ForecastJob planned = PlanOf("tiny_r1_zero", sets);
    return ForecastText(planned.plan, planned.job);
  };
  EXPECT_THAT(timeline(4), Not(HasSubstr("its first and last")));
  const std::string text = timeline(576);
  EXPECT_THAT(text, HasSubstr("  its first and last "));
  EXPECT_THAT(text, HasSubstr("   0 |fbbfbb"));
  EXPECT_THAT(text, HasSubstr(" ~ "));
}

TEST(ForecastTextTest, AJobIsToldByStage) {
  const ForecastJob planned = PlanOf("r1_zero_512_h800");
  const std::string text = ForecastText(planned.plan, planned.job);
  EXPECT_THAT(text, HasSubstr("zero_32k: 512 steps with 8192 updates; step "));
  EXPECT_THAT(text, HasSubstr("zero_64k: 138 steps with 2208 updates; step "));
}

}  // namespace
}  // namespace deduce
