#include "parallel/communicator/mpi_communicator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace deduce {
namespace {

constexpr int64_t kTinyMessage = 24;  // bytes; divides neither the tensors nor the texts below

TEST(MpiCommunicatorTest, TheWorldIsTheJobOrThisProcessAlone) {
  const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
  EXPECT_EQ(MakeMpiWorld(nullptr, nullptr)->size(), size == nullptr ? 1 : std::atoi(size));
}

TEST(MpiCommunicatorTest, ASplitBroadcastArrivesWhole) {
  const std::unique_ptr<Communicator> world = MakeMpiWorld(nullptr, nullptr, kTinyMessage);
  at::Tensor tensor = at::arange(101) * (world->rank() == 0 ? 1 : 0);
  world->Broadcast(tensor, 0);
  EXPECT_TRUE(at::equal(tensor, at::arange(101)));
}

TEST(MpiCommunicatorTest, ASplitAllGatherArrivesWhole) {
  const std::unique_ptr<Communicator> world = MakeMpiWorld(nullptr, nullptr, kTinyMessage);
  const at::Tensor gathered = world->AllGather(at::arange(101) + world->rank());
  const std::vector<std::string> texts =
      world->AllGatherBytes(std::string(100 * world->rank() + 1, 'a' + world->rank()));
  for (int r = 0; r < world->size(); ++r) {
    EXPECT_TRUE(at::equal(gathered[r], at::arange(101) + r)) << r;
    EXPECT_EQ(texts[r], std::string(100 * r + 1, 'a' + r));
  }
}

TEST(MpiCommunicatorTest, SplitReductionsAndShardsArriveWhole) {
  const std::unique_ptr<Communicator> world = MakeMpiWorld(nullptr, nullptr, kTinyMessage);
  const int64_t n = world->size(), rank = world->rank();
  const std::vector<int64_t> rows(n, 37);
  const at::Tensor all = at::arange(37 * n).to(at::kFloat);
  for (const Reduction reduction : {Reduction::kTreeSum, Reduction::kSum}) {
    at::Tensor sum = all.clone();
    world->AllReduce(sum, reduction);
    EXPECT_TRUE(at::equal(sum, all * n));
    EXPECT_TRUE(
        at::equal(world->ReduceScatter(all, rows, reduction), all.narrow(0, 37 * rank, 37) * n));
  }
  at::Tensor shards = at::zeros_like(all);
  shards.narrow(0, 37 * rank, 37).copy_(all.narrow(0, 37 * rank, 37));
  world->AllGatherInto(shards, rows);
  EXPECT_TRUE(at::equal(shards, all));
}

TEST(MpiCommunicatorTest, ASplitAllToAllArrivesWhole) {
  const std::unique_ptr<Communicator> world = MakeMpiWorld(nullptr, nullptr, kTinyMessage);
  const int64_t n = world->size(), rank = world->rank();
  // Rank s sends 10 (s + 1) rows to everyone; their values count on from 1000 s + 100 r.
  at::Tensor send = at::zeros({10 * (rank + 1) * n}, at::kLong);
  std::vector<int64_t> send_rows(n, 10 * (rank + 1)), recv_rows;
  for (int64_t r = 0; r < n; ++r) {
    send.narrow(0, r * send_rows[r], send_rows[r])
        .copy_(at::arange(send_rows[r]) + 1000 * rank + 100 * r);
    recv_rows.push_back(10 * (r + 1));
  }
  const at::Tensor received = world->AllToAll(send, send_rows, recv_rows);
  for (int64_t r = 0, row = 0; r < n; row += recv_rows[r++]) {
    EXPECT_TRUE(at::equal(received.narrow(0, row, recv_rows[r]),
                          at::arange(recv_rows[r]) + 1000 * r + 100 * rank))
        << r;
  }
}

TEST(MpiCommunicatorTest, SplitMessagesOfOneTagStayInOrder) {
  const std::unique_ptr<Communicator> world = MakeMpiWorld(nullptr, nullptr, kTinyMessage);
  const int next = (world->rank() + 1) % world->size();
  const int previous = (world->rank() + world->size() - 1) % world->size();
  const at::Tensor first = at::arange(50), second = at::arange(50) + 1000;
  at::Tensor got_first = at::zeros({50}, at::kLong), got_second = got_first.clone();
  const auto receive_first = world->Receive(got_first, previous, 3),
             receive_second = world->Receive(got_second, previous, 3);
  const auto send_first = world->Send(first, next, 3), send_second = world->Send(second, next, 3);
  receive_second->Wait();
  receive_first->Wait();
  EXPECT_TRUE(at::equal(got_first, first));
  EXPECT_TRUE(at::equal(got_second, second));
}

TEST(MpiCommunicatorTest, AShortMessageIsAProgrammingError) {
  const std::unique_ptr<Communicator> world = MakeMpiWorld(nullptr, nullptr);
  at::Tensor three = at::zeros({3});
  const auto send = world->Send(at::zeros({2}), world->rank(), 9);
  const auto receive = world->Receive(three, world->rank(), 9);
  EXPECT_THROW(receive->Wait(), c10::Error);
}

TEST(MpiCommunicatorTest, AnErrorOfMpiNamesOperationAndRank) {
  const std::unique_ptr<Communicator> world = MakeMpiWorld(nullptr, nullptr);
  at::Tensor one = at::zeros({1});
  const auto send = world->Send(at::zeros({2}), world->rank(), 9);
  try {
    world->Receive(one, world->rank(), 9)->Wait();
    FAIL() << "a message longer than its tensor was received";
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    EXPECT_NE(message.find("failed on rank " + std::to_string(world->rank())), std::string::npos)
        << message;
    EXPECT_EQ(message.find("MPI_"), 0u) << message;
  }
}

}  // namespace
}  // namespace deduce
