#include "parallel/reduce/exact_tree_reducer.h"

#include <gtest/gtest.h>

#include "tests/parallel/reduce/gradients_of_ranks.h"
#include "tests/testing/rank_group.h"
#include "tests/testing/same_bits.h"

namespace deduce {
namespace {

TEST(ExactTreeReducerTest, HasTheBitsOfTheTreeOverTheRanksThatHaveAGradient) {
  const auto reducer = MakeExactTreeReducer();
  for (int ranks = 1; ranks <= 4; ++ranks) {
    for (const bool sharded : {true, false}) {
      RunRanks(ranks, [&](Communicator& world) {
        const GradientShares shares = SharesOf(world, sharded);
        for (int present = 1; present <= ranks; ++present) {
          EXPECT_TRUE(SameBits(Reduced(*reducer, shares, present), ExpectedSum(shares, present)))
              << present << " of " << ranks << (sharded ? " in shards" : "");
        }
      });
    }
  }
}

}  // namespace
}  // namespace deduce
