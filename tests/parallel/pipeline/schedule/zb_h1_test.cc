#include "parallel/pipeline/schedule/zb_h1.h"

#include <gtest/gtest.h>

#include "tests/parallel/pipeline/schedule/complete.h"

namespace deduce {
namespace {

// Makespans and bubbles of known layouts, F = I = W = 1: a third of 1F1B's bubble.
TEST(ZbH1Test, MakespansAndBubblesAreTheKnownOnes) {
  const int known[][4] = {{4, 8, 27, 3}, {8, 20, 67, 7}};
  for (const auto& [ranks, micro_batches, makespan, bubble] : known) {
    const Schedule schedule = ZbH1(ranks, micro_batches);
    ExpectComplete(schedule);
    const Timeline timeline = Simulate(schedule, Units(1, 2, 1, 2));
    EXPECT_EQ(timeline.makespan, makespan);
    for (const double found : timeline.bubble) EXPECT_EQ(found, bubble);
  }
}

TEST(ZbH1Test, NoRankKeepsMoreThanTheFirst) {
  const Schedule schedule = ZbH1(4, 12);
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(PeakActivations(schedule, rank), 4);
}

TEST(ZbH1Test, FewMicroBatchesAreCompleteToo) {
  for (int micro_batches = 1; micro_batches < 6; ++micro_batches) {
    ExpectComplete(ZbH1(5, micro_batches));
  }
}

}  // namespace
}  // namespace deduce
