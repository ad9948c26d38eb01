#include "parallel/watch/recorded_communicator.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "parallel/communicator/thread_communicator.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

at::Tensor Full(int64_t rows, double value) { return at::full({rows, 2}, value, at::kFloat); }

TEST(RecordedCommunicatorTest, EveryCallDoesWhatTheTransportDoesAndIsRecorded) {
  RunRanks(2, [](Communicator& transport) {
    const auto recording = std::make_shared<Recording>(transport.rank());
    const auto world = MakeRecordedCommunicator(transport, recording);
    const int me = world->rank();
    const int other = 1 - me;
    EXPECT_EQ(world->size(), 2);
    world->Barrier();
    at::Tensor mine = Full(1, me);
    world->Broadcast(mine, 1);
    EXPECT_TRUE(at::equal(mine, Full(1, 1)));
    EXPECT_TRUE(at::equal(world->AllGather(Full(1, me))[other], Full(1, other)));
    EXPECT_EQ(world->AllGatherBytes(me == 0 ? "a" : "bc"), (std::vector<std::string>{"a", "bc"}));
    EXPECT_TRUE(at::equal(
        world->AllToAll(Full(3, me),
                        me == 0 ? std::vector<int64_t>{0, 3} : std::vector<int64_t>{3, 0},
                        me == 0 ? std::vector<int64_t>{0, 3} : std::vector<int64_t>{3, 0}),
        Full(3, other)));
    at::Tensor sum = Full(1, me), most = Full(1, me);
    world->AllReduce(sum, Reduction::kSum);
    world->AllReduce(most, Reduction::kMax);
    EXPECT_TRUE(at::equal(sum, Full(1, 1)) && at::equal(most, Full(1, 1)));
    EXPECT_TRUE(
        at::equal(world->ReduceScatter(Full(3, me), {1, 2}, Reduction::kSum), Full(1 + me, 1)));
    RowExchange shard = world->StartReduceScatter(Full(3, me), {1, 2}, Reduction::kTreeSum);
    shard.transfer->Wait();
    EXPECT_TRUE(at::equal(shard.received, Full(1 + me, 1)));
    at::Tensor shards = Full(3, 1);
    world->AllGatherInto(shards, {2, 1});
    EXPECT_TRUE(at::equal(shards, Full(3, 1)));
    at::Tensor theirs = Full(1, -1);
    const auto receive = world->Receive(theirs, other, 4);
    const at::Tensor sent = Full(1, me);
    const auto send = world->Send(sent, other, 4);
    receive->Wait();
    send->Wait();
    EXPECT_TRUE(at::equal(theirs, Full(1, other)));

    const LedgerRecord record = recording->ledger.Record(100);
    std::string operations;
    for (const LedgerCall& call : record.call()) {
      operations += LedgerCall::Operation_Name(call.operation()) + " ";
      EXPECT_GE(call.ended_ns(), call.began_ns());
    }
    EXPECT_EQ(operations,
              "Barrier Broadcast AllGather AllGatherBytes AllToAll AllReduceSum AllReduceMax "
              "ReduceScatter ReduceScatter AllGatherInto Receive Send ");
    EXPECT_EQ(record.call(7).shard_digest(), record.call(8).shard_digest());
    EXPECT_NE(record.call(7).shard_digest(), record.call(9).shard_digest());
    EXPECT_EQ(record.call(1).peer(), 1);
    EXPECT_EQ(record.call(4).send_row(other), 3);
    EXPECT_EQ(record.blocked(), -1);
  });
}

TEST(RecordedCommunicatorTest, MessagesOfAnExchangeAreRecordedAsOne) {
  RunRanks(2, [](Communicator& transport) {
    const auto recording = std::make_shared<Recording>(transport.rank());
    const auto world = MakeRecordedCommunicator(transport, recording);
    const int other = 1 - world->rank();
    const at::Tensor sent = Full(1, world->rank());
    at::Tensor alone = Full(1, -1), received = Full(1, -1);
    const auto first = world->Send(sent, other, 4);
    world->Receive(alone, other, 4)->Wait();
    first->Release();
    const auto transfers = world->Exchange(
        {{PointToPoint::kSend, sent, other, 4}, {PointToPoint::kReceive, received, other, 4}});
    for (const auto& transfer : transfers) transfer->Wait();
    EXPECT_TRUE(at::equal(received, Full(1, other)));

    const LedgerRecord record = recording->ledger.Record(100);
    ASSERT_EQ(record.call_size(), 4);
    EXPECT_EQ(record.call(0).exchange(), -1);
    EXPECT_EQ(record.call(2).exchange(), 0);
    EXPECT_EQ(record.call(3).exchange(), 0);
    EXPECT_EQ(record.call(3).operation(), LedgerCall::Receive);
    EXPECT_EQ(record.call(3).number(), 1) << "the second message of its lane";
    for (const LedgerCall& call : record.call()) EXPECT_GE(call.ended_ns(), call.began_ns());
  });
}

// Peers and roots are recorded as ranks of the world, which all members can compare.
TEST(RecordedCommunicatorTest, GroupsHaveOneNameAndKnowTheirMembers) {
  RunRanks(4, [](Communicator& transport) {
    const auto recording = std::make_shared<Recording>(transport.rank());
    const auto world = MakeRecordedCommunicator(transport, recording);
    std::unique_ptr<Communicator> half;
    {
      const ActionScope action(*world, "data");
      half = world->Split(world->rank() % 2, -world->rank());
    }
    at::Tensor tensor = Full(1, world->rank());
    half->Broadcast(tensor, 1);
    const LedgerRecord record = recording->ledger.Record(100);
    ASSERT_EQ(record.group_size(), 2);
    const LedgerGroup& group = record.group(1);
    const int first = world->rank() % 2;
    EXPECT_EQ(group.uid(), first == 0 ? "world/0:0" : "world/0:1");
    EXPECT_EQ(group.name(), first == 0 ? "data {2, 0}" : "data {3, 1}");
    EXPECT_EQ(std::vector<int>(group.member().begin(), group.member().end()),
              (std::vector<int>{first + 2, first}));
    const LedgerCall& broadcast = record.call(record.call_size() - 1);
    EXPECT_EQ(broadcast.group(), 1);
    EXPECT_EQ(broadcast.peer(), first) << "member 1, since keys turn the order round";
  });
}

TEST(RecordedCommunicatorTest, GroupsOfOneRecordNothing) {
  RunRanks(2, [](Communicator& transport) {
    const auto recording = std::make_shared<Recording>(transport.rank());
    const auto world = MakeRecordedCommunicator(transport, recording);
    const auto alone = world->Split(world->rank(), 0);
    alone->Barrier();
    alone->AllGather(Full(1, 1));
    EXPECT_EQ(recording->ledger.Record(100).call_size(), 1) << "the Split";
  });
}

TEST(RecordedCommunicatorTest, SaysWhenTheTransportFailsWhileTheCallIsUnderWay) {
  std::string message;
  int64_t blocked = -1;
  EXPECT_ANY_THROW(RunThreadRanks(2, [&](Communicator& transport) {
    if (transport.rank() == 1) return;  // has ended: the other's Barrier throws
    const auto recording = std::make_shared<Recording>(0);
    recording->on_failure = [&, recording = recording.get()](const std::string& text) {
      message = text;
      blocked = recording->ledger.Record(1).blocked();
    };
    MakeRecordedCommunicator(transport, recording)->Barrier();
  }));
  EXPECT_NE(message.find("waits for rank 1"), std::string::npos) << message;
  EXPECT_EQ(blocked, 0);
}

}  // namespace
}  // namespace deduce
