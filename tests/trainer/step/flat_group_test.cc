#include "trainer/step/flat_group.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/testing/rank_group.h"
#include "tests/trainer/flat_parameters.h"

namespace deduce {
namespace {

TEST(FlatGroupTest, ValuesKeepTheirContentsAndShareTheBuffer) {
  RunRanks(1, [](Communicator& world) {
    std::vector<Parameter> parameters = Parameters();
    const RankGroups ranks = DataParallelRanks(world);
    const std::vector<FlatGroup> groups = MakeFlatGroups(parameters, ranks);
    EXPECT_TRUE(at::equal(parameters[2].value, at::arange(100, at::kFloat)));
    c10::NoGradGuard no_grad;
    groups[0].values.zero_();
    EXPECT_EQ(parameters[2].leaves[0][99].item<float>(), 0);
  });
}

TEST(FlatGroupTest, DecayedTensorsComeFirst) {
  RunRanks(1, [](Communicator& world) {
    std::vector<Parameter> parameters = Parameters();
    const RankGroups ranks = DataParallelRanks(world);
    const std::vector<FlatGroup> groups = MakeFlatGroups(parameters, ranks);
    const FlatGroup& group = groups[0];
    EXPECT_EQ(group.tensors.back().name, "norm");
    EXPECT_EQ(group.decay_end, group.values.numel() - 7);
  });
}

TEST(FlatGroupTest, ShardsCoverTheBufferOnceAndBeginAtBlocks) {
  for (const int num_ranks : {1, 2, 3, 4}) {
    RunRanks(num_ranks, [&](Communicator& world) {
      std::vector<Parameter> parameters = Parameters();
      const RankGroups ranks = DataParallelRanks(world);
      const std::vector<FlatGroup> groups = MakeFlatGroups(parameters, ranks);
      const FlatGroup& group = groups[0];
      ASSERT_EQ(static_cast<int>(group.shard_begin.size()), num_ranks + 1);
      EXPECT_EQ(group.shard_begin.front(), 0);
      EXPECT_EQ(group.shard_begin.back(), group.values.numel());
      for (int r = 0; r < num_ranks; ++r) {
        const int64_t begin = group.shard_begin[r];
        EXPECT_LE(begin, group.shard_begin[r + 1]);
        EXPECT_EQ(group.shard_rows()[r], group.shard_begin[r + 1] - begin);
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

TEST(FlatGroupTest, PiecesAreAGroupWithTheRanksThatHoldTheSameOnes) {
  RunRanks(4, [](Communicator& world) {
    SplitParameters split(world, 2);
    const std::vector<FlatGroup> groups = MakeFlatGroups(split.parameters, split.ranks);
    ASSERT_EQ(groups.size(), 2u);
    EXPECT_EQ(groups[0].holders->size(), 4);
    const FlatGroup& pieces = groups[1];
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

}  // namespace
}  // namespace deduce
