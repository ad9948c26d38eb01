#include "parallel/pipeline/schedule/gpipe.h"

#include <gtest/gtest.h>

#include "tests/parallel/pipeline/schedule/complete.h"

namespace deduce {
namespace {

TEST(GpipeTest, AllForwardsThenAllBackwards) {
  const Schedule schedule = Gpipe(2, 1, 3);
  ExpectComplete(schedule);
  EXPECT_EQ(StepsText(schedule.ranks[1]), "F0.0 F0.1 F0.2 B0.0 B0.1 B0.2");
}

TEST(GpipeTest, TheBubbleIsThatOfTheFormulaAndAllActivationsAreKept) {
  const Schedule schedule = Gpipe(4, 1, 8);
  const Timeline timeline = Simulate(schedule, Units(1, 2, 1, 3));
  for (const double bubble : timeline.bubble) EXPECT_EQ(bubble, 3 * 3);
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(PeakActivations(schedule, rank), 8);
}

TEST(GpipeTest, AllMicroBatchesGoThroughAChunkBeforeTheNext) {
  const Schedule schedule = Gpipe(2, 2, 2);
  ExpectComplete(schedule);
  EXPECT_EQ(StepsText(schedule.ranks[0]), "F0.0 F0.1 F1.0 F1.1 B1.0 B1.1 B0.0 B0.1");
}

TEST(GpipeTest, ChunksDivideTheBubble) {
  const Timeline timeline = Simulate(Gpipe(4, 3, 8), Units(1, 2, 1, 3));  // of a third of a stage
  for (const double bubble : timeline.bubble) EXPECT_EQ(bubble, 3 * 3);
  EXPECT_EQ(timeline.makespan, 3 * 8 * 3 + 3 * 3);
}

}  // namespace
}  // namespace deduce
