#include "parallel/reduce/make_gradient_reducer.h"

#include <gtest/gtest.h>

#include "tests/parallel/reduce/gradients_of_ranks.h"
#include "tests/testing/rank_group.h"
#include "tests/testing/same_bits.h"

namespace deduce {
namespace {

TEST(MakeGradientReducerTest, AnExactLayoutHasTheBitsOfTheTree) {
  RunRanks(4, [](Communicator& world) {
    const auto reducer = MakeGradientReducer(Layout());
    const GradientShares shares = SharesOf(world, true);
    EXPECT_TRUE(SameBits(Reduced(*reducer, shares, 3), ExpectedSum(shares, 3)));
    EXPECT_FALSE(reducer->starts_early());
  });
}

TEST(MakeGradientReducerTest, OnlySumsThatComeOnceAStepStartEarly) {
  EXPECT_TRUE(MakeGradientReducer({.zero_stage = 1, .exact = false})->starts_early());
  EXPECT_FALSE(MakeGradientReducer({.zero_stage = 2, .exact = false})->starts_early());
}

}  // namespace
}  // namespace deduce
