#include "rl/commands/published_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/rl/tiny_plan.h"

namespace deduce {
namespace {

TEST(PublishedTableTest, PartsThatCostsComeFromAreMarkedAndMet) {
  const ForecastJob planned = PlanOf("deepseek_v3_2048_h800");
  int calibrated = 0, predicted = 0;
  for (const PublishedRow& row : PublishedTable(planned.plan, planned.job)) {
    ++(row.calibrated ? calibrated : predicted);
    EXPECT_TRUE(!row.calibrated || std::abs(row.error_percent()) < 1e-6) << row.name;
  }
  EXPECT_EQ(calibrated, 5);
  EXPECT_EQ(predicted, 7);
}

TEST(PublishedTableTest, RowsAreThePlansNumbers) {
  const ForecastJob planned = PlanOf("deepseek_v3_2048_h800");
  bool step = false;
  for (const PublishedRow& row : PublishedTable(planned.plan, planned.job)) {
    if (row.name == "step") {
      step = true;
      EXPECT_EQ(row.published, 19.926);
      EXPECT_EQ(row.predicted, planned.plan.update.seconds());
    }
    EXPECT_EQ(row.is_limit, row.name == "memory of the fullest rank");
    // Both are counted, not simulated; "about 250" is rounded.
    if (row.name == "parameters" || row.name == "training FLOPs a token") {
      EXPECT_LT(std::abs(row.error_percent()), 0.5);
    }
    if (row.is_limit) {
      EXPECT_LT(row.predicted, row.published);
    }
  }
  EXPECT_TRUE(step);
}

TEST(PublishedTableTest, TheJobHasRowsOfItsOwn) {
  const ForecastJob planned = PlanOf("r1_zero_512_h800");
  const std::vector<PublishedRow> rows = PublishedTable(planned.plan, planned.job);
  ASSERT_EQ(rows.size(), 4u);
  EXPECT_EQ(rows[2].published, 198);
  EXPECT_EQ(rows[2].predicted, planned.job.hours);
}

TEST(PublishedTableTest, NothingPublishedIsNoTable) {
  EXPECT_TRUE(
      PublishedTable(PlanOf("tiny_r1_zero", {"layout { data_parallel: 1 }"}).plan, {}).empty());
}

TEST(PublishedTableTest, MeansAndPeaksAreOverRanks) {
  const Timeline timeline{
      .ranks = {{{.step = {{.work = Work::kForward}}, .begin = 0, .end = 2}}, {}},
      .makespan = 4,
      .bubble = {2, 4}};
  EXPECT_EQ(MeanTimes(timeline).forward, 1);
  EXPECT_EQ(MeanBubble(timeline), 3);
  EXPECT_EQ(PeakBytes({{.weights = 1}, {.gradients = 5}, {}}), 5);
}

}  // namespace
}  // namespace deduce
