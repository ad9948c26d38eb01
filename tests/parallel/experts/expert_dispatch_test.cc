#include "parallel/experts/expert_dispatch.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <memory>

#include "parallel/watch/recorded_communicator.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

// How many rows `from` sends to `to` in a group of n: uneven, and the last rank sends none.
int64_t Count(int from, int to, int n) {
  return from == n - 1 && n > 1 ? 0 : (from + 2 * to) % 3 + 1;
}

struct Counts {
  std::vector<int64_t> send, recv;
  int64_t num_sent = 0, num_received = 0;
};

Counts CountsOf(Communicator& group) {
  Counts counts;
  for (int peer = 0; peer < group.size(); ++peer) {
    counts.send.push_back(Count(group.rank(), peer, group.size()));
    counts.recv.push_back(Count(peer, group.rank(), group.size()));
    counts.num_sent += counts.send.back();
    counts.num_received += counts.recv.back();
  }
  return counts;
}

class DispatchRowsTest : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, DispatchRowsTest, ::testing::Values(1, 2, 3, 4));

// Each receiver multiplies what it gets by its rank + 1, so a row's gradient names the rank that
// the row went to.
TEST_P(DispatchRowsTest, GradientComesBackFromTheRankThatReceivedTheRow) {
  RunRanks(GetParam(), [](Communicator& group) {
    const Counts counts = CountsOf(group);
    at::Tensor rows = at::full({counts.num_sent, 4}, 2.0f).set_requires_grad(true);
    const at::Tensor received = DispatchRows(rows, counts.send, counts.recv, group);
    EXPECT_EQ(received.size(0), counts.num_received);
    (received * static_cast<double>(group.rank() + 1)).sum().backward();
    std::vector<at::Tensor> expected;
    for (int peer = 0; peer < group.size(); ++peer)
      expected.push_back(at::full({counts.send[peer], 4}, peer + 1.0f));
    ASSERT_TRUE(rows.grad().defined());
    EXPECT_TRUE(at::equal(rows.grad(), at::cat(expected)));
  });
}

TEST_P(DispatchRowsTest, ThereAndBackIsTheIdentityInBothDirections) {
  RunRanks(GetParam(), [](Communicator& group) {
    const Counts counts = CountsOf(group);
    const at::Tensor values =
        at::arange(counts.num_sent * 3, at::kFloat).view({counts.num_sent, 3}) + group.rank() * 100;
    at::Tensor rows = values.clone().set_requires_grad(true);
    const at::Tensor there = DispatchRows(rows, counts.send, counts.recv, group);
    const at::Tensor back = DispatchRows(there, counts.recv, counts.send, group);
    EXPECT_TRUE(at::equal(back, values));
    (back * values).sum().backward();
    EXPECT_TRUE(at::equal(rows.grad(), values));
  });
}

// Of what the last call was, and whether it is still under way.
bool ExchangeIsUnderWay(const Recording& recording) {
  const LedgerRecord record = recording.ledger.Record(1);
  return record.call_size() == 1 && record.call(0).operation() == LedgerCall::AllToAll &&
         record.call(0).ended_ns() == 0;
}

TEST(RowDispatchTest, WhatIsComputedInBetweenIsComputedWhileRowsTravelBothWays) {
  RunRanks(2, [](Communicator& transport) {
    const auto recording = std::make_shared<Recording>(transport.rank());
    const auto group = MakeRecordedCommunicator(transport, recording);
    at::Tensor rows = at::full({2, 3}, 1.0f).set_requires_grad(true);
    RowDispatch dispatch(rows, {1, 1}, {1, 1}, *group);
    const at::Tensor between = rows * 2;
    EXPECT_TRUE(ExchangeIsUnderWay(*recording));
    bool under_way_in_backward = false;
    between.register_hook([&](const at::Tensor& /*gradient*/) {
      under_way_in_backward = ExchangeIsUnderWay(*recording);
    });
    const at::Tensor received = dispatch.Finish();
    EXPECT_FALSE(ExchangeIsUnderWay(*recording));
    (received + between).sum().backward();
    EXPECT_TRUE(under_way_in_backward);
    EXPECT_FALSE(ExchangeIsUnderWay(*recording));
    EXPECT_TRUE(at::equal(rows.grad(), at::full({2, 3}, 3.0f)));
  });
}

}  // namespace
}  // namespace deduce
