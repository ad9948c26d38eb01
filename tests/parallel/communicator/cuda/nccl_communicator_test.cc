// NCCL against the transport it is started over. Built by the `cuda` preset and not run by ctest,
// as it wants two GPUs and LibTorch's CUDA libraries: mpirun -np 2 build-cuda/tests/nccl_test
#include "parallel/communicator/cuda/nccl_communicator.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <functional>

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
