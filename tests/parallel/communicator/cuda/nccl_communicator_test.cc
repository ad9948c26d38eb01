// NCCL against the transport it is started over. Built by the `cuda` preset. ctest runs what needs
// no device; the rest wants two GPUs and LibTorch's CUDA libraries: mpirun -np 2
// build-cuda/tests/nccl_test
#include "parallel/communicator/cuda/nccl_communicator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <c10/util/Exception.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

at::Tensor OnDevice(const at::Tensor& tensor) { return tensor.to(at::kCUDA); }

void RunBoth(const std::function<void(Communicator& reference, Communicator& nccl)>& body) {
  RunRanks(2, [&](Communicator& world) {
    ASSERT_EQ(cudaSetDevice(world.rank()), cudaSuccess);
    const std::unique_ptr<Communicator> nccl = MakeNcclCommunicator(world.Split(0, world.rank()));
    body(world, *nccl);
  });
}

// Everywhere without a GPU, where it can be compiled and linked, and starts.
TEST(NcclWithoutDeviceTest, SaysThatThereIsNone) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess && devices > 0) return;
  try {
    MakeNcclCommunicator(MakeOneMemberCommunicator());
    FAIL() << "found a communicator, expected an error";
  } catch (const c10::Error& error) {
    EXPECT_NE(std::string(error.what()).find("found 0 CUDA devices, expected at least 1"),
              std::string::npos)
        << error.what();
  }
}

TEST(NcclCommunicatorTest, CollectivesGiveWhatTheReferenceGives) {
  RunBoth([](Communicator& reference, Communicator& nccl) {
    const int rank = reference.rank();
    const at::Tensor own = at::arange(6, at::kFloat).view({3, 2}) + 10 * rank;
    EXPECT_TRUE(at::equal(nccl.AllGather(OnDevice(own)).cpu(), reference.AllGather(own)));
    const std::vector<int64_t> sent = {1, 2};
    const std::vector<int64_t> received(2, rank == 0 ? 1 : 2);
    EXPECT_TRUE(at::equal(nccl.AllToAll(OnDevice(own), sent, received).cpu(),
                          reference.AllToAll(own, sent, received)));
    at::Tensor from_root = OnDevice(own);
    nccl.Broadcast(from_root, 0);
    EXPECT_TRUE(at::equal(from_root.cpu(), at::arange(6, at::kFloat).view({3, 2})));
  });
}

// Whole numbers, so that the order of the sum does not matter; in equal and other shards.
TEST(NcclCommunicatorTest, SumsAndShardsAreWhatTheReferenceGives) {
  RunBoth([](Communicator& reference, Communicator& nccl) {
    const at::Tensor own = at::arange(8, at::kFloat).view({4, 2}) + 10 * reference.rank();
    for (const Reduction reduction : {Reduction::kTreeSum, Reduction::kSum, Reduction::kMax}) {
      at::Tensor expected = own.clone(), found = OnDevice(own);
      reference.AllReduce(expected, reduction);
      nccl.AllReduce(found, reduction);
      EXPECT_TRUE(at::equal(found.cpu(), expected));
    }
    for (const std::vector<int64_t>& rows : {std::vector<int64_t>{2, 2}, {1, 3}, {0, 4}}) {
      for (const Reduction reduction : {Reduction::kTreeSum, Reduction::kSum}) {
        EXPECT_TRUE(at::equal(nccl.ReduceScatter(OnDevice(own), rows, reduction).cpu(),
                              reference.ReduceScatter(own, rows, reduction)));
      }
      at::Tensor expected = own.clone(), found = OnDevice(own);
      reference.AllGatherInto(expected, rows);
      nccl.AllGatherInto(found, rows);
      EXPECT_TRUE(at::equal(found.cpu(), expected));
    }
  });
}

// Each sends before it receives: apart, neither message would end.
TEST(NcclCommunicatorTest, MessagesOfAnExchangeCross) {
  RunBoth([](Communicator& reference, Communicator& nccl) {
    const int other = 1 - reference.rank();
    const at::Tensor sent = OnDevice(at::arange(1 << 22, at::kFloat) + reference.rank());
    const at::Tensor received = sent * 0;
    const auto transfers = nccl.Exchange(
        {{PointToPoint::kSend, sent, other, 0}, {PointToPoint::kReceive, received, other, 0}});
    transfers[0]->Release();
    transfers[1]->Wait();
    EXPECT_TRUE(at::equal(received.cpu(), at::arange(1 << 22, at::kFloat) + other));
  });
}

TEST(NcclCommunicatorTest, TransfersArriveInOrderOfIssue) {
  RunBoth([](Communicator& reference, Communicator& nccl) {
    at::Tensor first = OnDevice(at::arange(4, at::kFloat)), second = first + 1;
    if (reference.rank() == 0) {
      const auto a = nccl.Send(first, 1, 0), b = nccl.Send(second, 1, 0);
      a->Wait();
      b->Wait();
      return;
    }
    at::Tensor got_first = first * 0, got_second = first * 0;
    const auto a = nccl.Receive(got_first, 0, 0), b = nccl.Receive(got_second, 0, 0);
    a->Wait();
    b->Wait();
    EXPECT_TRUE(at::equal(got_first, first));
    EXPECT_TRUE(at::equal(got_second, second));
  });
}

}  // namespace
}  // namespace deduce
