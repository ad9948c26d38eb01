#include "parallel/schedule/gpipe.h"

#include <gtest/gtest.h>

#include "tests/parallel/schedule/complete.h"

namespace deduce {
namespace {

TEST(GpipeTest, AllForwardsThenAllBackwards) {
  const Schedule schedule = Gpipe(2, 3);
  ExpectComplete(schedule);
  EXPECT_EQ(StepsText(schedule.ranks[1]), "F0.0 F0.1 F0.2 B0.0 B0.1 B0.2");
}

TEST(GpipeTest, TheBubbleIsThatOfTheFormulaAndAllActivationsAreKept) {
  const Schedule schedule = Gpipe(4, 8);
  const Timeline timeline = Simulate(schedule, Units(1, 2, 1, 3));
  for (const double bubble : timeline.bubble) EXPECT_EQ(bubble, 3 * 3);
  for (int rank = 0; rank < 4; ++rank) EXPECT_EQ(PeakActivations(schedule, rank), 8);
}

}  // namespace
}  // namespace deduce
