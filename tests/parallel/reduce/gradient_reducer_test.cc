#include "parallel/reduce/gradient_reducer.h"

#include <gtest/gtest.h>

#include "tests/parallel/reduce/gradients_of_ranks.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

TEST(GradientSharesTest, ARanksShardLiesBehindThoseOfLowerRanks) {
  RunRanks(3, [](Communicator& world) {
    const GradientShares shares = SharesOf(world, true);
    EXPECT_EQ(shares.size(), kGradientElements);
    EXPECT_EQ(shares.own_begin(), world.rank() == 0 ? 0 : 317);
    EXPECT_EQ(shares.own_size(), world.rank() == 0 ? 317 : world.rank() == 1 ? 0 : 683);
  });
}

}  // namespace
}  // namespace deduce
