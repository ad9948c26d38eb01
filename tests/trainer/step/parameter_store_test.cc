#include "trainer/step/parameter_store.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "kernels/exact_sum.h"
#include "parallel/reduce/exact_norm.h"
#include "tests/testing/rank_group.h"
#include "tests/trainer/flat_parameters.h"

namespace deduce {
namespace {

using StoreTest =
    std::function<void(int rank, std::vector<Parameter>& parameters, ParameterStore& store)>;

void WithShardedWeights(int num_ranks, const StoreTest& test) {
  RunRanks(num_ranks, [&](Communicator& world) {
    std::vector<Parameter> parameters = Parameters();
    RankGroups ranks = DataParallelRanks(world);
    ranks.layout.zero_stage = 3;
    ParameterStore store(parameters, ranks, true);
    c10::NoGradGuard no_grad;
    test(world.rank(), parameters, store);
  });
}

TEST(ParameterStoreTest, SharesAreTheShardsOfTheHolders) {
  for (const bool sharded : {true, false}) {
    RunRanks(3, [&](Communicator& world) {
      std::vector<Parameter> parameters = Parameters();
      const RankGroups ranks = DataParallelRanks(world);
      const ParameterStore store(parameters, ranks, sharded);
      const FlatGroup& group = store.groups()[0];
      const GradientShares shares = store.SharesOf(group);
      EXPECT_EQ(shares.holders, group.holders);
      EXPECT_EQ(shares.sharded, sharded);
      EXPECT_EQ(shares.own_begin(), group.own_begin());
      EXPECT_EQ(shares.own_size(), group.own_size());
      EXPECT_EQ(shares.size(), group.values.numel());
      EXPECT_EQ(shares.in_backward_order, group.decay_end);
    });
  }
}

TEST(ParameterStoreTest, SharedValuesReachAllHolders) {
  RunRanks(3, [](Communicator& world) {
    std::vector<Parameter> parameters = Parameters();
    const RankGroups ranks = DataParallelRanks(world);
    ParameterStore store(parameters, ranks, true);
    FlatGroup& group = store.groups()[0];
    const c10::NoGradGuard no_grad;
    store.owned_values(group).fill_(world.rank());
    store.ShareValues(group);
    for (int r = 0; r < 3; ++r) {
      const at::Tensor shard = group.values.narrow(0, group.shard_begin[r], group.shard_rows()[r]);
      EXPECT_TRUE(shard.eq(r).all().item<bool>()) << r;
    }
  });
}

// Each rank keeps its shard of the values alone; what it changes in it reaches the others.
TEST(ParameterStoreTest, ShardedWeightsAreWholeOnlyWhileTheyAreGathered) {
  WithShardedWeights(2, [](int rank, std::vector<Parameter>& parameters, ParameterStore& store) {
    const FlatGroup& group = store.groups()[0];
    EXPECT_EQ(group.stored().numel(), group.own_size());
    EXPECT_THROW(parameters[2].leaves[0].const_data_ptr<float>(), c10::Error);
    store.owned_values(group).add_(1 + rank);
    {
      const WholeWeights whole({&store});
      const int64_t cut = group.shard_begin[1];
      EXPECT_TRUE(
          at::equal(parameters[0].leaves[0].narrow(0, 0, cut), at::arange(cut, at::kFloat).add(1)));
      EXPECT_TRUE(at::equal(parameters[2].value, at::arange(100, at::kFloat).add(2)));
    }
    EXPECT_FALSE(group.values.storage().data_ptr());
  });
}

TEST(ParameterStoreTest, WeightsThatAreWrittenWhileTheyHaveMemoryAreKept) {
  WithShardedWeights(3, [](int, std::vector<Parameter>& parameters, ParameterStore& store) {
    store.AllocateWeights();
    for (const Parameter& parameter : parameters) parameter.value.fill_(5);
    store.ReleaseWeights();
    const WholeWeights whole({&store});
    EXPECT_TRUE(store.groups()[0].values.eq(5).all().item<bool>());
  });
}

// The norm of what the ranks own of gradients that `gradients` gives for a group.
double NormOf(Communicator& world, const ParameterStore& store,
              const std::function<at::Tensor(const FlatGroup&)>& gradients) {
  std::vector<at::Tensor> own;
  for (const FlatGroup& group : store.groups()) {
    own.push_back(
        gradients(group).narrow(0, store.owned_begin(group), store.owned_size(group)).contiguous());
  }
  at::Tensor squares = ZeroExactSum(at::kCPU);
  store.AddShardSquares(own, squares);
  return ExactNorm(squares, world);
}

TEST(ParameterStoreTest, TheNormHasTheSameBitsOnEveryNumberOfRanks) {
  const auto norm = [](int num_ranks, bool sharded) {
    double result = 0;
    RunRanks(num_ranks, [&](Communicator& world) {
      std::vector<Parameter> parameters = Parameters();
      const RankGroups ranks = DataParallelRanks(world);
      const ParameterStore store(parameters, ranks, sharded);
      const double value = NormOf(world, store, [](const FlatGroup& group) {
        return at::arange(group.values.numel(), at::kFloat).sin();
      });
      if (world.rank() == 0) result = value;
    });
    return result;
  };
  const double one = norm(1, true);
  EXPECT_GT(one, 100);
  for (const int num_ranks : {2, 3, 4}) {
    EXPECT_EQ(norm(num_ranks, true), one);
    EXPECT_EQ(norm(num_ranks, false), one);
  }
}

// Values stand in for gradients.
TEST(ParameterStoreTest, TheNormHasTheSameBitsInPiecesOfAnyNumber) {
  const auto norm = [](int num_ranks, int tensor_parallel, bool sharded) {
    double result = 0;
    RunRanks(num_ranks, [&](Communicator& world) {
      SplitParameters split(world, tensor_parallel);
      const ParameterStore store(split.parameters, split.ranks, sharded);
      const double value =
          NormOf(world, store, [](const FlatGroup& group) { return group.values; });
      if (world.rank() == 0) result = value;
    });
    return result;
  };
  const double one = norm(1, 1, true);
  EXPECT_GT(one, 100);
  for (const bool sharded : {true, false}) {
    EXPECT_EQ(norm(2, 2, sharded), one);
    EXPECT_EQ(norm(4, 2, sharded), one);
    EXPECT_EQ(norm(4, 4, sharded), one);
  }
}

}  // namespace
}  // namespace deduce
