#include "parallel/sequence/shared_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

// Uneven, and the last of several ranks has none.
std::vector<int64_t> RowsOf(const Communicator& group) {
  std::vector<int64_t> rows;
  for (int r = 0; r < group.size(); ++r) rows.push_back(r > 0 && r == group.size() - 1 ? 0 : 2 + r);
  return rows;
}

// The group's rows in rank order: row i is filled with i.
at::Tensor AllRows(const std::vector<int64_t>& rows) {
  const int64_t count = std::accumulate(rows.begin(), rows.end(), int64_t{0});
  return at::arange(count, at::kFloat).unsqueeze(1).expand({count, 3}).contiguous();
}

at::Tensor OwnRows(const std::vector<int64_t>& rows, int rank) {
  const int64_t before = std::accumulate(rows.begin(), rows.begin() + rank, int64_t{0});
  return AllRows(rows).narrow(0, before, rows[rank]).contiguous();
}

class SharedRowsTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, SharedRowsTest, ::testing::Values(1, 2, 3, 4));

TEST_P(SharedRowsTest, AllRanksHaveAllRowsInRankOrder) {
  RunRanks(GetParam(), [](Communicator& group) {
    const std::vector<int64_t> rows = RowsOf(group);
    EXPECT_TRUE(at::equal(AllGatherRows(OwnRows(rows, group.rank()), rows, group), AllRows(rows)));
  });
}

TEST_P(SharedRowsTest, GradientOfAGatheredRowIsTheSumOfAllRanks) {
  RunRanks(GetParam(), [](Communicator& group) {
    const std::vector<int64_t> rows = RowsOf(group);
    at::Tensor own = OwnRows(rows, group.rank()).requires_grad_(true);
    // Rank r weighs row i with (r + 1) i.
    (AllGatherRows(own, rows, group) * AllRows(rows) * (group.rank() + 1.0)).sum().backward();
    const double ranks = group.size() * (group.size() + 1) / 2.0;
    EXPECT_TRUE(at::equal(own.grad(), OwnRows(rows, group.rank()) * ranks));
  });
}

TEST_P(SharedRowsTest, EachRankHasItsRowsOfTheSum) {
  RunRanks(GetParam(), [](Communicator& group) {
    const std::vector<int64_t> rows = RowsOf(group);
    const double ranks = group.size() * (group.size() + 1) / 2.0;
    const at::Tensor sum = ReduceScatterRows(AllRows(rows) * (group.rank() + 1.0), rows, group);
    EXPECT_TRUE(at::equal(sum, OwnRows(rows, group.rank()) * ranks));
  });
}

TEST_P(SharedRowsTest, GradientOfASumGoesToEveryTermWhole) {
  RunRanks(GetParam(), [](Communicator& group) {
    const std::vector<int64_t> rows = RowsOf(group);
    at::Tensor term = at::full({AllRows(rows).size(0), 3}, 5.0f).set_requires_grad(true);
    (ReduceScatterRows(term, rows, group) * OwnRows(rows, group.rank())).sum().backward();
    EXPECT_TRUE(at::equal(term.grad(), AllRows(rows)));
  });
}

TEST(SharedRowsRefusalTest, OtherNumbersOfRows) {
  const auto self = MakeOneMemberCommunicator();
  EXPECT_THROW(AllGatherRows(at::full({2, 3}, 1.0f), {3}, *self), c10::Error);
  EXPECT_THROW(ReduceScatterRows(at::full({2, 3}, 1.0f), {1, 1}, *self), c10::Error);
}

}  // namespace
}  // namespace deduce
