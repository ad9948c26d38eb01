#include "parallel/pipeline/simulate.h"

#include <c10/util/Exception.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parallel/pipeline/schedule/dual_pipe.h"
#include "parallel/pipeline/schedule/gpipe.h"
#include "parallel/pipeline/schedule/one_f_one_b.h"

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

// The same numbers for every stage, one by one.
ScheduleCosts StageByStage(const ScheduleCosts& all, int num_stages) {
  ScheduleCosts costs{.transfer = all.transfer};
  costs.stages.assign(num_stages, {.forward = all.forward,
                                   .backward = all.backward,
                                   .input_gradient = all.input_gradient,
                                   .weight_gradient = all.weight_gradient});
  costs.overlapped_stages.assign(num_stages, std::vector<double>(num_stages, all.overlapped));
  return costs;
}

TEST(SimulateTest, EqualCostsOfStagesAreThoseOfAllChunks) {
  const Schedule schedule = DualPipe(8, 20);
  const ScheduleCosts costs{
      .forward = 3, .backward = 5, .input_gradient = 3, .weight_gradient = 2, .overlapped = 7};
  const Timeline all = Simulate(schedule, costs);
  const Timeline by_stage = Simulate(schedule, StageByStage(costs, 8));
  EXPECT_EQ(all.makespan, 167);
  EXPECT_EQ(by_stage.makespan, all.makespan);
  EXPECT_EQ(by_stage.bubble, all.bubble);
}

TEST(SimulateTest, WeightsAreGatheredOnceForWorkInARow) {
  const Timeline timeline = Simulate(Gpipe(1, 2, 3), {.forward = 1, .backward = 2, .gather = 10});
  EXPECT_EQ(timeline.makespan, 2 * 3 * 3 + 3 * 10);  // chunk 0, chunk 1, chunk 0 again
  EXPECT_EQ(timeline.exposed[0], 3 * 10);
  EXPECT_EQ(timeline.bubble[0], 3 * 10);
  EXPECT_EQ(timeline.ranks[0][3].begin, 10 + 3 * 1 + 10);  // the second chunk's first forward
}

TEST(SimulateTest, ASlowStageHoldsUpTheOthers) {
  ScheduleCosts costs = StageByStage({.forward = 1, .backward = 2}, 2);
  costs.stages[1] = {.forward = 10, .backward = 20};
  const Timeline timeline = Simulate(OneFOneB(2, 3), costs);
  EXPECT_EQ(timeline.makespan, 1 + 3 * 30 + 2);
  EXPECT_EQ(timeline.bubble[1], 3);
  EXPECT_EQ(timeline.bubble[0], timeline.makespan - 9);
}

TEST(SimulateTest, AnOverlappedPairCostsWhatItsTwoStagesDo) {
  const Schedule schedule = DualPipe(2, 4);
  ScheduleCosts costs = StageByStage({}, 2);
  costs.overlapped_stages = {{100, 101}, {110, 111}};  // [forward][backward]
  const Timeline timeline = Simulate(schedule, costs);
  int pairs = 0;
  for (int rank = 0; rank < 2; ++rank) {
    for (const TimedStep& timed : timeline.ranks[rank]) {
      if (!timed.step.second) continue;
      const bool in_order = timed.step.first.work == Work::kForward;
      const Action& forward = in_order ? timed.step.first : *timed.step.second;
      const Action& backward = in_order ? *timed.step.second : timed.step.first;
      const double expected =
          100 + 10 * StageOf(schedule, rank, forward) + StageOf(schedule, rank, backward);
      EXPECT_DOUBLE_EQ(timed.end - timed.begin, expected);
      ++pairs;
    }
  }
  EXPECT_GT(pairs, 0);
}

TEST(SimulateTest, TimesByKindAddUpToTheWork) {
  const Timeline timeline =
      Simulate(DualPipe(4, 10), {.forward = 1, .backward = 2, .overlapped = 3});
  for (int rank = 0; rank < 4; ++rank) {
    const WorkTimes times = TimesByKind(timeline.ranks[rank]);
    EXPECT_EQ(times.forward + times.backward + times.weight_gradient + times.overlapped,
              timeline.makespan - timeline.bubble[rank]);
  }
}

// Published layout of DeepSeek-V3: 16 ranks, 120 sequences a pipeline. Numbers of steps of rank 0.
TEST(SimulateTest, TimesByKindCountTheStepsOfDualPipe) {
  const Timeline timeline =
      Simulate(DualPipe(16, 120), {.forward = 1, .backward = 1, .overlapped = 1});
  const WorkTimes times = TimesByKind(timeline.ranks[0]);
  EXPECT_EQ(times.forward, 23);
  EXPECT_EQ(times.backward, 23);
  EXPECT_EQ(times.weight_gradient, 15);
  EXPECT_EQ(times.overlapped, 97);
}

}  // namespace
}  // namespace deduce
