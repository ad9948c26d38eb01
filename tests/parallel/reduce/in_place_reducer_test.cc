#include "parallel/reduce/in_place_reducer.h"

#include <gtest/gtest.h>

#include "tests/parallel/reduce/gradients_of_ranks.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

TEST(InPlaceReducerTest, IsWithinRoundingOfTheTree) {
  const auto reducer = MakeInPlaceReducer();
  for (int ranks = 1; ranks <= 4; ++ranks) {
    for (const bool sharded : {true, false}) {
      RunRanks(ranks, [&](Communicator& world) {
        const GradientShares shares = SharesOf(world, sharded);
        for (int present = 1; present <= ranks; ++present) {
          const at::Tensor error =
              (Reduced(*reducer, shares, present) - ExpectedSum(shares, present)).abs();
          EXPECT_TRUE(error.le(RoundingBound(shares, present)).all().item<bool>())
              << present << " of " << ranks << (sharded ? " in shards" : "");
        }
      });
    }
  }
}

}  // namespace
}  // namespace deduce
