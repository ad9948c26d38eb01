#include "parallel/simulate.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parallel/schedule/one_f_one_b.h"

namespace deduce {
namespace {

TEST(SimulateTest, AStepWaitsForItsRankAndForItsInput) {
  const Timeline timeline = Simulate(OneFOneB(2, 2), {.forward = 3, .backward = 5, .transfer = 1});
  // Rank 1 starts when the first output has come over, and never waits again.
  EXPECT_EQ(timeline.ranks[1][0].begin, 4);
  EXPECT_EQ(timeline.ranks[1].back().end, 4 + 2 * (3 + 5));
  // Rank 0's first backward waits for rank 1's.
  EXPECT_EQ(timeline.ranks[0][2].begin, 4 + 3 + 5 + 1);
  EXPECT_EQ(timeline.makespan, 4 + 2 * (3 + 5) + 1 + 5);
  EXPECT_EQ(timeline.bubble[0], timeline.makespan - 2 * (3 + 5));
}

TEST(SimulateTest, ACircleOfWaitsIsNamed) {
  Schedule schedule = OneFOneB(2, 1);
  std::swap(schedule.ranks[1][0], schedule.ranks[1][1]);  // a backward before its forward
  try {
    Simulate(schedule, {});
    FAIL() << "it came to an end";
  } catch (const c10::Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("rank 0 at B0.0; rank 1 at B0.0;"));
  }
}

TEST(SimulateTest, WorkThatNeverComesToARankIsAnError) {
  Schedule schedule = OneFOneB(2, 1);
  schedule.ranks[0][0].first.chunk = 1;
  EXPECT_THROW(Simulate(schedule, {}), c10::Error);
}

}  // namespace
}  // namespace deduce
