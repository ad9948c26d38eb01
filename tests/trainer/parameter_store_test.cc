#include "trainer/parameter_store.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

Parameter MakeParameter(const std::string& name, int64_t size, bool decay) {
  Parameter parameter;
  parameter.names = {name};
  parameter.value = at::arange(size, at::kFloat);
  parameter.decay = decay;
  return parameter;
}

// A matrix of two and a half blocks, a norm, and a small matrix.
std::vector<Parameter> Parameters() {
  std::vector<Parameter> parameters;
  parameters.push_back(MakeParameter("big", kBlockElements * 5 / 2, true));
  parameters.push_back(MakeParameter("norm", 7, false));
  parameters.push_back(MakeParameter("small", 100, true));
  return parameters;
}

RankGroups DataParallelRanks(Communicator& world) {
  Layout layout;
  layout.num_ranks = layout.data_parallel = world.size();
  layout.rank = layout.data_rank = world.rank();
  return MakeRankGroups(world, layout);
}

TEST(ParameterStoreTest, ValuesKeepTheirContentsAndShareTheBuffer) {
  RunRanks(1, [](Communicator& world) {
    std::vector<Parameter> parameters = Parameters();
    const RankGroups ranks = DataParallelRanks(world);
    ParameterStore store(parameters, ranks, true);
    EXPECT_TRUE(at::equal(parameters[2].value, at::arange(100, at::kFloat)));
    c10::NoGradGuard no_grad;
    store.groups()[0].values.zero_();
    EXPECT_EQ(parameters[2].leaves[0][99].item<float>(), 0);
  });
}

TEST(ParameterStoreTest, DecayedTensorsComeFirst) {
  RunRanks(1, [](Communicator& world) {
    std::vector<Parameter> parameters = Parameters();
    const RankGroups ranks = DataParallelRanks(world);
    const ParameterStore store(parameters, ranks, true);
    const FlatGroup& group = store.groups()[0];
    EXPECT_EQ(group.tensors.back().name, "norm");
    EXPECT_EQ(group.decay_end, group.values.numel() - 7);
  });
}

TEST(ParameterStoreTest, ShardsCoverTheBufferOnceAndBeginAtBlocks) {
  for (const int num_ranks : {1, 2, 3, 4}) {
    RunRanks(num_ranks, [&](Communicator& world) {
      std::vector<Parameter> parameters = Parameters();
      const RankGroups ranks = DataParallelRanks(world);
      const ParameterStore store(parameters, ranks, true);
      const FlatGroup& group = store.groups()[0];
      ASSERT_EQ(static_cast<int>(group.shard_begin.size()), num_ranks + 1);
      EXPECT_EQ(group.shard_begin.front(), 0);
      EXPECT_EQ(group.shard_begin.back(), group.values.numel());
      for (int r = 0; r < num_ranks; ++r) {
        const int64_t begin = group.shard_begin[r];
        EXPECT_LE(begin, group.shard_begin[r + 1]);
        bool at_block = begin == group.values.numel();
        for (const LogicalTensor& tensor : group.tensors) {
          const int64_t offset = begin - tensor.begin;
          at_block |= offset >= 0 && offset < tensor.size && offset % kBlockElements == 0;
        }
        EXPECT_TRUE(at_block) << "shard " << r << " begins at " << begin;
      }
    });
  }
}

TEST(ParameterStoreTest, GlobalNormHasTheSameBitsOnEveryNumberOfRanks) {
  const auto norm = [](int num_ranks, bool sharded) {
    double result = 0;
    RunRanks(num_ranks, [&](Communicator& world) {
      std::vector<Parameter> parameters = Parameters();
      const RankGroups ranks = DataParallelRanks(world);
      ParameterStore store(parameters, ranks, sharded);
      FlatGroup& group = store.groups()[0];
      at::Tensor gradient = at::arange(group.values.numel(), at::kFloat).sin();
      const at::Tensor own =
          gradient.narrow(0, store.owned_begin(group), store.owned_size(group)).contiguous();
      std::string squares;
      store.AppendBlockSquares({own}, squares);
      const double value = GlobalNorm(squares, world);
      if (world.rank() == 0) result = value;
    });
    return result;
  };
  const double one = norm(1, true);
  EXPECT_GT(one, 100);
  for (const int num_ranks : {2, 3, 4}) EXPECT_EQ(norm(num_ranks, true), one);
  EXPECT_EQ(norm(2, false), one);
}

TEST(ParameterStoreTest, ReduceLeavesOutRanksWithoutMicroBatches) {
  RunRanks(3, [](Communicator& world) {
    std::vector<Parameter> parameters = Parameters();
    const RankGroups ranks = DataParallelRanks(world);
    ParameterStore store(parameters, ranks, true);
    FlatGroup& group = store.groups()[0];
    const at::Tensor own =
        world.rank() < 2 ? at::full({group.values.numel()}, world.rank() + 1.0) : at::Tensor();
    const at::Tensor sum = store.ReduceToShard(group, own, /*num_present=*/2);
    EXPECT_TRUE(at::equal(sum, at::full({group.own_size()}, 3.0)));
  });
}

}  // namespace
}  // namespace deduce
