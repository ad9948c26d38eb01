#include "parallel/pipeline/schedule/zbv.h"

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "tests/parallel/pipeline/schedule/complete.h"

namespace deduce {
namespace {

TEST(ZbvTest, NoRankWaitsBetweenItsFirstAndItsLastStep) {
  for (const int ranks : {1, 2, 4, 7}) {
    for (const int more : {0, 1, 6}) {
      const Schedule schedule = Zbv(ranks, 2 * ranks - 1 + more);
      ExpectComplete(schedule);
      const Timeline timeline = Simulate(schedule, Units(1, 2, 1, 2));
      for (const std::vector<TimedStep>& steps : timeline.ranks) {
        EXPECT_EQ(steps.back().end - steps.front().begin, 6 * schedule.num_micro_batches)
            << ranks << " ranks";
      }
    }
  }
}

TEST(ZbvTest, ActivationsAreThoseOf1F1B) {
  // p stages, of two chunks each.
  const Schedule schedule = Zbv(4, 12);
  for (int rank = 0; rank < 4; ++rank) EXPECT_LE(PeakActivations(schedule, rank), 2 * 4);
}

TEST(ZbvTest, RefusesTooFewMicroBatches) { EXPECT_THROW(Zbv(4, 6), c10::Error); }

}  // namespace
}  // namespace deduce
