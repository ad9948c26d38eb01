#include "parallel/pipeline/schedule/interleaved.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "tests/parallel/pipeline/schedule/complete.h"

namespace deduce {
namespace {

TEST(InterleavedTest, MicroBatchesGoInRoundsThroughTheChunks) {
  const Schedule schedule = Interleaved(2, 2, 4);
  ExpectComplete(schedule);
  EXPECT_EQ(StepsText(schedule.ranks[1]),
            "F0.0 F0.1 F1.0 B1.0 F1.1 B1.1 F0.2 B0.0 F0.3 B0.1 F1.2 B1.2 F1.3 B1.3 B0.2 B0.3");
}

// Makespans and bubbles of known layouts, F = 1 and B = 2 a rank, divided by its chunks.
TEST(InterleavedTest, MakespansAndBubblesAreTheKnownOnes) {
  const struct {
    int ranks, chunks, micro_batches;
    double makespan, bubble;
  } known[] = {{4, 2, 8, 28.5, 4.5}, {8, 2, 16, 58.5, 10.5}, {4, 4, 16, 50.25, 2.25}};
  for (const auto& row : known) {
    const Timeline timeline = Simulate(Interleaved(row.ranks, row.chunks, row.micro_batches),
                                       Units(1.0 / row.chunks, 2.0 / row.chunks, 0, 1));
    EXPECT_EQ(timeline.makespan, row.makespan);
    for (const double found : timeline.bubble) EXPECT_EQ(found, row.bubble);
  }
}

TEST(InterleavedTest, TheFirstRankKeepsAlmostTwiceThePipe) {
  // p + (p - 1) / v stages, of v chunks each.
  EXPECT_EQ(PeakActivations(Interleaved(4, 2, 16), 0), 2 * 4 + 3);
}

TEST(InterleavedTest, RefusesABrokenRound) { EXPECT_THROW(Interleaved(4, 2, 6), c10::Error); }

}  // namespace
}  // namespace deduce
