#include "parallel/sequence/shared_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

class SharedSumTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, SharedSumTest, ::testing::Values(1, 2, 3, 4));

TEST_P(SharedSumTest, EveryRankHasTheSum) {
  RunRanks(GetParam(), [](Communicator& group) {
    const double ranks = group.size() * (group.size() + 1) / 2.0;
    const at::Tensor own = at::full({3}, group.rank() + 1.0, at::kDouble);
    EXPECT_TRUE(at::equal(SharedSum(own, group), at::full({3}, ranks, at::kDouble)));
  });
}

TEST_P(SharedSumTest, GradientIsThatOfOneRankWhichAddsUpAllLosses) {
  // Rank r's loss is (r + 1) s^2 of the sum s, so that of all ranks is `ranks` s^2.
  RunRanks(GetParam(), [](Communicator& group) {
    const double ranks = group.size() * (group.size() + 1) / 2.0;
    const at::Tensor own = at::full({3}, group.rank() + 1.0, at::kDouble).requires_grad_(true);
    (SharedSum(own, group).square() * (group.rank() + 1.0)).sum().backward();
    EXPECT_TRUE(at::equal(own.grad(), at::full({3}, ranks * 2 * ranks, at::kDouble)));
  });
}

}  // namespace
}  // namespace deduce
