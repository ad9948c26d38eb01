#include "parallel/communicator/staged_communicator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/testing/rank_group.h"
#include "tests/testing/simulated_device.h"

namespace deduce {
namespace {

at::Tensor Device(double number, at::IntArrayRef sizes) {
  return at::full(sizes, number, at::TensorOptions(SimulatedDevice()).dtype(at::kFloat));
}

void ExpectIs(const at::Tensor& found, double number, at::IntArrayRef sizes) {
  EXPECT_EQ(found.device(), SimulatedDevice());
  EXPECT_TRUE(at::equal(found.cpu(), at::full(sizes, number, at::kFloat))) << found.sizes();
}

// body(group) on ranks whose groups take the device's tensors.
void OnStagedRanks(int num_ranks, const std::function<void(Communicator&)>& body) {
  RunRanks(num_ranks, [&](Communicator& world) {
    body(*MakeStagedCommunicator(world.Split(0, world.rank())));
  });
}

TEST(StagedCommunicatorTest, BroadcastsAlsoIntoAParameter) {
  OnStagedRanks(2, [](Communicator& group) {
    at::Tensor tensor = Device(group.rank(), {3}).requires_grad_(true);
    group.Broadcast(tensor, 1);
    ExpectIs(tensor.detach(), 1, {3});
  });
}

TEST(StagedCommunicatorTest, GathersAndSums) {
  OnStagedRanks(3, [](Communicator& group) {
    const at::Tensor all = group.AllGather(Device(group.rank(), {2}));
    ExpectIs(all[2], 2, {2});
    ExpectIs(AllReduceSum(group, Device(group.rank(), {2})), 3, {2});
  });
}

TEST(StagedCommunicatorTest, ReducesAndGathersShards) {
  OnStagedRanks(2, [](Communicator& group) {
    at::Tensor most = Device(group.rank(), {2});
    group.AllReduce(most, Reduction::kMax);
    ExpectIs(most, 1, {2});
    const std::vector<int64_t> rows = {1, 2};
    const at::Tensor shard =
        group.ReduceScatter(Device(group.rank() + 1, {3, 2}), rows, Reduction::kTreeSum);
    ExpectIs(shard, 3, {rows[group.rank()], 2});
    at::Tensor whole = Device(0, {3});
    whole.narrow(0, group.rank(), rows[group.rank()]).fill_(7);
    group.AllGatherInto(whole, rows);
    ExpectIs(whole, 7, {3});
  });
}

// Other calls come between the exchange and its wait.
TEST(StagedCommunicatorTest, ExchangesRowsWithoutWaiting) {
  OnStagedRanks(2, [](Communicator& group) {
    const int me = group.rank(), other = 1 - me;
    std::vector<int64_t> send(2), receive(2);
    send[other] = me + 1;
    receive[other] = other + 1;
    RowExchange exchange = group.StartAllToAll(Device(me, {me + 1, 4}), send, receive);
    group.Barrier();
    exchange.transfer->Wait();
    ExpectIs(exchange.received, other, {other + 1, 4});
  });
}

TEST(StagedCommunicatorTest, SendsAndReceivesInOrder) {
  OnStagedRanks(2, [](Communicator& group) {
    const int other = 1 - group.rank();
    const at::Tensor first = Device(1, {2}), second = Device(2, {2});
    at::Tensor into_first = Device(0, {2}), into_second = Device(0, {2});
    const auto receive_first = group.Receive(into_first, other, 0);
    const auto receive_second = group.Receive(into_second, other, 0);
    const auto send_first = group.Send(first, other, 0), send_second = group.Send(second, other, 0);
    for (const auto* transfer : {&receive_first, &receive_second, &send_first, &send_second})
      (*transfer)->Wait();
    ExpectIs(into_first, 1, {2});
    ExpectIs(into_second, 2, {2});
  });
}

TEST(StagedCommunicatorTest, TensorsOfTheHostGoAsTheyAre) {
  OnStagedRanks(2, [](Communicator& group) {
    at::Tensor tensor = at::full({2}, group.rank(), at::kFloat);
    group.Broadcast(tensor, 1);
    EXPECT_TRUE(at::equal(tensor, at::full({2}, 1, at::kFloat)));
  });
}

TEST(StagedCommunicatorTest, GroupsThatAreSplitOffTakeTensorsOfTheDeviceToo) {
  OnStagedRanks(2, [](Communicator& group) {
    const auto alone = group.Split(group.rank(), 0);
    ExpectIs(alone->AllGather(Device(5, {2}))[0], 5, {2});
  });
}

TEST(StagedCommunicatorTest, TheTransportAloneRefusesADevicesTensor) {
  RunRanks(2,
           [](Communicator& world) { EXPECT_THROW(world.AllGather(Device(0, {2})), c10::Error); });
}

}  // namespace
}  // namespace deduce
