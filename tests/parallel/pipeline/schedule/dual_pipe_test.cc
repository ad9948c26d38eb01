#include "parallel/pipeline/schedule/dual_pipe.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/parallel/pipeline/schedule/complete.h"

namespace deduce {
namespace {

// The published figure and other known layouts: ranks, micro-batches, F, B, W, overlapped pair.
TEST(DualPipeTest, MakespansAndBubblesAreTheKnownOnes) {
  const struct {
    int ranks, micro_batches;
    double forward, backward, weight, pair, makespan;
    std::vector<double> bubble;
  } known[] = {
      {8, 20, 1, 2, 1, 3, 66, std::vector<double>(8, 6)},
      {8, 20, 3, 5, 2, 7, 167, {16, 17, 18, 18, 18, 18, 17, 16}},
      {4, 10, 1, 2, 1, 3, 32, std::vector<double>(4, 2)},
      {16, 120, 1, 2, 1, 3, 374, std::vector<double>(16, 14)},
      {2, 4, 1, 2, 1, 3, 12, std::vector<double>(2, 0)},
  };
  for (const auto& row : known) {
    const Schedule schedule = DualPipe(row.ranks, row.micro_batches);
    ExpectComplete(schedule);
    const Timeline timeline =
        Simulate(schedule, Units(row.forward, row.backward, row.weight, row.pair));
    EXPECT_EQ(timeline.makespan, row.makespan);
    EXPECT_EQ(timeline.bubble, row.bubble);
  }
}

TEST(DualPipeTest, CountsOfTheFirstRankAtTheLayoutOfDeepSeekV3) {
  int forwards = 0, pairs = 0, backwards = 0, input_only = 0, weights = 0;
  const Schedule schedule = DualPipe(16, 120);
  for (const Step& step : schedule.ranks[0]) {
    if (step.second) {
      ++pairs;
      continue;
    }
    forwards += step.first.work == Work::kForward;
    backwards += step.first.work == Work::kBackward || step.first.work == Work::kInputGradient;
    input_only += step.first.work == Work::kInputGradient;
    weights += step.first.work == Work::kWeightGradient;
  }
  EXPECT_EQ(forwards, 23);
  EXPECT_EQ(pairs, 97);
  EXPECT_EQ(backwards, 23);
  EXPECT_EQ(input_only, 15);
  EXPECT_EQ(weights, 15);
}

TEST(DualPipeTest, EveryRankKeepsOneMoreThanThePipe) {
  const Schedule schedule = DualPipe(8, 20);
  for (int rank = 0; rank < 8; ++rank) EXPECT_EQ(PeakActivations(schedule, rank), 8 + 1);
}

TEST(DualPipeTest, RefusesOddAndTooFew) {
  EXPECT_THROW(DualPipe(3, 8), c10::Error);
  EXPECT_THROW(DualPipe(4, 9), c10::Error);
  EXPECT_THROW(DualPipe(4, 6), c10::Error);
}

TEST(DualPipeVTest, MakespansAndBubblesAreTheKnownOnes) {
  const Schedule schedule = DualPipeV(4, 10);
  ExpectComplete(schedule);
  const Timeline even = Simulate(schedule, Units(1, 2, 1, 3));
  EXPECT_EQ(even.makespan, 66);
  EXPECT_EQ(even.bubble, std::vector<double>(4, 6));
  const Timeline uneven = Simulate(schedule, Units(3, 5, 2, 7));
  EXPECT_EQ(uneven.makespan, 167);
  EXPECT_EQ(uneven.bubble, (std::vector<double>{16, 17, 18, 18}));
}

// The first half of DualPipe's ranks do what the ranks of the V do.
TEST(DualPipeVTest, HasTheTimelineOfDualPipeOnHalfTheRanks) {
  const Schedule whole = DualPipe(8, 20), v = DualPipeV(4, 10);
  for (int rank = 0; rank < 4; ++rank) {
    ASSERT_EQ(v.ranks[rank].size(), whole.ranks[rank].size());
    for (size_t i = 0; i < v.ranks[rank].size(); ++i) {
      Step expected = whole.ranks[rank][i];
      for (Action* action : {&expected.first, expected.second ? &*expected.second : nullptr}) {
        if (action != nullptr && action->chunk == 1) action->micro_batch -= 10;
      }
      EXPECT_EQ(v.ranks[rank][i], expected) << "rank " << rank << ", step " << i;
    }
  }
}

TEST(DualPipeVTest, ThePublishedOrderOfTenMicroBatchesHasThisManySteps) {
  const size_t counts[] = {38, 36, 34, 33};
  const Schedule schedule = DualPipeV(4, 10);
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(schedule.ranks[rank].size(), counts[rank]);
}

TEST(DualPipeVTest, RefusesTooFewMicroBatches) { EXPECT_THROW(DualPipeV(4, 7), c10::Error); }

}  // namespace
}  // namespace deduce
