#include "parallel/pipeline/schedule/one_f_one_b.h"

#include <gtest/gtest.h>

#include "tests/parallel/pipeline/schedule/complete.h"

namespace deduce {
namespace {

TEST(OneFOneBTest, TheFirstRankRunsAheadAndTheLastDoesNot) {
  const Schedule schedule = OneFOneB(3, 4);
  ExpectComplete(schedule);
  EXPECT_EQ(StepsText(schedule.ranks[0]), "F0.0 F0.1 F0.2 B0.0 F0.3 B0.1 B0.2 B0.3");
  EXPECT_EQ(StepsText(schedule.ranks[2]), "F0.0 B0.0 F0.1 B0.1 F0.2 B0.2 F0.3 B0.3");
}

TEST(OneFOneBTest, FewerMicroBatchesThanRanksAreCompleteToo) { ExpectComplete(OneFOneB(6, 2)); }

// Makespans and bubbles of known layouts, F = 1 and B = 2.
TEST(OneFOneBTest, MakespansAndBubblesAreTheKnownOnes) {
  const int known[][4] = {{4, 8, 33, 9}, {8, 20, 81, 21}, {16, 120, 405, 45}};
  for (const auto& [ranks, micro_batches, makespan, bubble] : known) {
    const Timeline timeline = Simulate(OneFOneB(ranks, micro_batches), Units(1, 2, 1, 3));
    EXPECT_EQ(timeline.makespan, makespan);
    for (const double found : timeline.bubble) EXPECT_EQ(found, bubble);
  }
}

TEST(OneFOneBTest, ActivationsFallFromRankToRank) {
  const Schedule schedule = OneFOneB(4, 9);
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(PeakActivations(schedule, rank), 4 - rank);
}

}  // namespace
}  // namespace deduce
