#include "parallel/watch/ledger.h"

#include <c10/core/ScalarType.h>
#include <gtest/gtest.h>

#include <vector>

namespace deduce {
namespace {

constexpr int kFloat = static_cast<int>(c10::ScalarType::Float);

TEST(LedgerTest, KeepsTheLastCallsAndCountsAll) {
  Ledger ledger(/*world_rank=*/1, /*capacity=*/4);
  const int world = ledger.AddGroup("world", "world", {0, 1});
  for (int i = 0; i < 10; ++i) {
    ledger.End(ledger.BeginCollective(world, LedgerCall::Barrier, {}));
  }
  const LedgerRecord all = ledger.Record(100);
  EXPECT_EQ(all.rank(), 1);
  EXPECT_EQ(all.group(0).num_calls(), 10);
  ASSERT_EQ(all.call_size(), 4);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(all.call(i).number(), 6 + i);
  EXPECT_EQ(ledger.Record(1).call_size(), 1);
}

TEST(LedgerTest, NumbersCollectivesByGroupAndMessagesByLane) {
  Ledger ledger(0);
  const int world = ledger.AddGroup("world", "world", {0, 1, 2});
  const int data = ledger.AddGroup("world/0:0", "data {0, 2}", {0, 2});
  ledger.BeginCollective(world, LedgerCall::Barrier, {});
  ledger.BeginCollective(data, LedgerCall::Barrier, {});
  ledger.BeginTransfer(world, LedgerCall::Send, {.peer = 1, .tag = 5});
  ledger.BeginTransfer(world, LedgerCall::Receive, {.peer = 1, .tag = 5});
  ledger.BeginTransfer(world, LedgerCall::Send, {.peer = 1, .tag = 5});
  const LedgerRecord record = ledger.Record(100);
  std::vector<int64_t> numbers;
  for (const LedgerCall& call : record.call()) numbers.push_back(call.number());
  EXPECT_EQ(numbers, (std::vector<int64_t>{0, 0, 0, 0, 1}));
  ASSERT_EQ(record.lane_size(), 2);
  EXPECT_EQ(record.lane(0).from(), 0);
  EXPECT_EQ(record.lane(0).num_calls(), 2);
  EXPECT_EQ(record.lane(1).from(), 1);
}

TEST(LedgerTest, ACollectiveThatIsOnlyStartedIsCountedAndBlocksFromItsWaitOn) {
  Ledger ledger(0);
  const int world = ledger.AddGroup("world", "world", {0, 1});
  const int64_t exchange = ledger.StartCollective(world, LedgerCall::AllToAll, {});
  EXPECT_EQ(ledger.Record(1).group(0).num_calls(), 1);
  EXPECT_EQ(ledger.Record(1).blocked(), -1);
  ledger.End(ledger.BeginCollective(world, LedgerCall::Barrier, {}));
  EXPECT_EQ(ledger.Record(1).blocked(), -1);
  ledger.BeginWait(exchange);
  EXPECT_EQ(ledger.Record(1).blocked(), exchange);
  ledger.End(exchange);
  EXPECT_EQ(ledger.Record(1).blocked(), -1);
}

TEST(LedgerTest, BlocksFromTheBeginOfACollectiveOrAWaitToItsEnd) {
  Ledger ledger(0, /*capacity=*/64);
  const int world = ledger.AddGroup("world", "world", {0, 1});
  EXPECT_EQ(ledger.SecondsBlocked(), 0);
  const int64_t barrier = ledger.BeginCollective(world, LedgerCall::Barrier, {});
  EXPECT_EQ(ledger.Record(1).blocked(), barrier);
  ledger.End(barrier);
  const int64_t send = ledger.BeginTransfer(world, LedgerCall::Send, {.peer = 1, .tag = 0});
  EXPECT_EQ(ledger.Record(1).blocked(), -1);
  for (int i = 0; i < 5; ++i) {
    ledger.End(ledger.BeginCollective(world, LedgerCall::Barrier, {}));
  }
  ledger.BeginWait(send);
  EXPECT_GT(ledger.SecondsBlocked(), 0);
  const LedgerRecord record = ledger.Record(/*max_calls=*/2);
  ASSERT_EQ(record.call_size(), 3) << "the call that blocks is older than the last two";
  EXPECT_EQ(record.call(0).index(), send);
}

TEST(LedgerTest, DigestsDifferFromTheFirstCallThatDoes) {
  const auto record = [](int different_call) {
    Ledger ledger(0);
    const int world = ledger.AddGroup("world", "world", {0, 1});
    const std::vector<int64_t> sizes = {3, 4};
    for (int i = 0; i < 40; ++i) {
      ledger.BeginCollective(world, LedgerCall::Broadcast,
                             {.type = kFloat, .sizes = sizes, .peer = i == different_call ? 1 : 0});
    }
    return ledger.Record(0).group(0);
  };
  const LedgerGroup same = record(-1);
  ASSERT_EQ(same.digest_size(), 3);
  EXPECT_EQ(record(-1).SerializeAsString(), same.SerializeAsString());
  const LedgerGroup different = record(20);
  EXPECT_EQ(different.digest(0), same.digest(0));
  EXPECT_EQ(different.digest(1), same.digest(1)) << "of the first 16 calls";
  EXPECT_NE(different.digest(2), same.digest(2));
  EXPECT_NE(different.last_digest(), same.last_digest());
}

TEST(LedgerTest, KeepsAFewDigests) {
  Ledger ledger(0, /*capacity=*/4);
  const int world = ledger.AddGroup("world", "world", {0, 1});
  const int64_t num_calls = 5 * kDigestsKept * kDigestInterval;
  for (int64_t i = 0; i < num_calls; ++i) ledger.BeginCollective(world, LedgerCall::Barrier, {});
  const LedgerGroup group = ledger.Record(0).group(0);
  EXPECT_LE(group.digest_size(), 2 * kDigestsKept);
  EXPECT_EQ(group.first_digest() + group.digest_size(), num_calls / kDigestInterval);
}

TEST(LedgerTest, ActionsNest) {
  Ledger ledger(0);
  const int world = ledger.AddGroup("world", "world", {0, 1});
  ledger.BeginAction("sft step 3");
  ledger.BeginAction("F0.1");
  ledger.BeginCollective(world, LedgerCall::Barrier, {});
  ledger.EndAction();
  EXPECT_EQ(ledger.action(), "sft step 3");
  EXPECT_EQ(ledger.Record(1).call(0).action(), "sft step 3, F0.1");
}

TEST(LedgerTest, MembersMustAgreeOnShards) {
  const auto record = [](std::vector<int64_t> rows) {
    Ledger ledger(0);
    const int world = ledger.AddGroup("world", "world", {0, 1});
    const std::vector<int64_t> sizes = {3};
    ledger.BeginCollective(world, LedgerCall::AllGatherInto,
                           {.type = kFloat, .sizes = sizes, .shard_rows = rows});
    return ledger.Record(1);
  };
  const LedgerRecord one = record({1, 2}), other = record({2, 1});
  EXPECT_EQ(CallSignature(record({1, 2}).call(0)), CallSignature(one.call(0)));
  EXPECT_NE(CallSignature(other.call(0)), CallSignature(one.call(0)));
  EXPECT_NE(other.group(0).last_digest(), one.group(0).last_digest());
  EXPECT_NE(CallText(other.call(0), other.group(0)), CallText(one.call(0), one.group(0)));
}

TEST(LedgerTest, TextsSayWhatMembersMustAgreeOn) {
  Ledger ledger(0);
  const int world = ledger.AddGroup("world", "world", {0, 1, 2});
  const std::vector<int64_t> sizes = {3, 4};
  ledger.BeginCollective(world, LedgerCall::Broadcast, {.type = kFloat, .sizes = sizes, .peer = 2});
  ledger.BeginTransfer(world, LedgerCall::Receive,
                       {.type = kFloat, .sizes = sizes, .peer = 1, .tag = 7});
  ledger.BeginCollective(world, LedgerCall::Barrier, {});
  ledger.BeginTransfer(world, LedgerCall::Send,
                       {.type = kFloat, .sizes = sizes, .peer = 1, .tag = 7, .exchange = 5});
  const LedgerRecord record = ledger.Record(4);
  EXPECT_EQ(CallText(record.call(0), record.group(0)),
            "Broadcast 0 of world (Float [3, 4] from rank 2)");
  EXPECT_EQ(CallText(record.call(1), record.group(0)),
            "Receive 0 from rank 1, tag 7 (Float [3, 4])");
  EXPECT_EQ(CallText(record.call(2), record.group(0)), "Barrier 1 of world");
  EXPECT_EQ(CallText(record.call(3), record.group(0)),
            "Send 0 to rank 1, tag 7, in an exchange (Float [3, 4])");
  LedgerCall other = record.call(0);
  other.set_number(100);
  EXPECT_EQ(CallSignature(other), CallSignature(record.call(0)));
  other.set_peer(1);
  EXPECT_NE(CallSignature(other), CallSignature(record.call(0)));
}

}  // namespace
}  // namespace deduce
