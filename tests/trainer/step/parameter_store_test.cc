#include "trainer/step/parameter_store.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "kernels/exact_sum.h"
#include "parallel/reduce/exact_norm.h"
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

// A layout of a tensor axis and a data axis, and what its ranks hold of two matrices that are split
// by rows and by columns, with a bias and a norm that is whole. Values are those of the whole
// tensors.
struct SplitParameters {
  SplitParameters(Communicator& world, int tensor_parallel) {
    Layout layout;
    layout.num_ranks = world.size();
    layout.rank = world.rank();
    layout.tensor_parallel = tensor_parallel;
    layout.data_parallel = world.size() / tensor_parallel;
    layout.tensor_rank = world.rank() % tensor_parallel;
    layout.data_rank = world.rank() / tensor_parallel;
    ranks = MakeRankGroups(world, layout);
    ParameterFactory factory(3, 0.5, 0, 1, parameters, ComputeType::kFloat32, at::kFloat,
                             layout.tensor_rank, tensor_parallel);
    factory.Matrix("rows", 64, 1200, SplitBy::kRows);
    factory.Norm("norm", 7);
    factory.Bias("bias", 64, SplitBy::kRows);
    factory.Matrix("columns", 500, 128, SplitBy::kColumns);
  }
  std::vector<Parameter> parameters;
  RankGroups ranks;
};

TEST(ParameterStoreTest, PiecesAreAGroupWithTheRanksThatHoldTheSameOnes) {
  RunRanks(4, [](Communicator& world) {
    SplitParameters split(world, 2);
    const ParameterStore store(split.parameters, split.ranks, true);
    ASSERT_EQ(store.groups().size(), 2u);
    EXPECT_EQ(store.groups()[0].holders->size(), 4);
    const FlatGroup& pieces = store.groups()[1];
    EXPECT_EQ(pieces.placement, Placement::kPiece);
    EXPECT_EQ(pieces.holders->size(), 2);
    const int64_t tensor_rank = world.rank() % 2;
    ASSERT_EQ(pieces.tensors.size(), 3u);
    const LogicalTensor &rows = pieces.tensors[0], &columns = pieces.tensors[1];
    EXPECT_EQ(rows.shape, (std::vector<int64_t>{64, 1200}));
    EXPECT_EQ(rows.first(), tensor_rank * 32 * 1200);
    EXPECT_FALSE(rows.columns.has_value());
    EXPECT_EQ(columns.shape, (std::vector<int64_t>{500, 128}));
    EXPECT_EQ(columns.first(), 0);
    EXPECT_EQ(columns.columns, (ColumnRange{64 * tensor_rank, 64 * tensor_rank + 64}));
    EXPECT_EQ(pieces.tensors[2].shape, (std::vector<int64_t>{64}));
    EXPECT_EQ(pieces.tensors[2].first(), 32 * tensor_rank);
  });
}

// Of values in place of gradients.
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
