#include "parallel/pipeline/schedule/one_rank.h"

#include <gtest/gtest.h>

#include "tests/parallel/pipeline/schedule/complete.h"

namespace deduce {
namespace {

TEST(OneRankTest, AMicroBatchGoesThroughAllChunksAndBackBeforeTheNext) {
  const Schedule schedule = OneRank(3, 2);
  ExpectComplete(schedule);
  EXPECT_EQ(StepsText(schedule.ranks[0]),
            "F0.0 F1.0 F2.0 B2.0 B1.0 B0.0 F0.1 F1.1 F2.1 B2.1 B1.1 B0.1");
  EXPECT_EQ(PeakActivations(schedule, 0), 3);
}

}  // namespace
}  // namespace deduce
