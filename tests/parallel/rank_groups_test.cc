#include "parallel/rank_groups.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "parallel/pipeline/schedule/dual_pipe.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

// World ranks of a group's members, in order.
std::vector<std::string> Members(Communicator& group, int world_rank) {
  return group.AllGatherBytes(std::to_string(world_rank));
}

RankGroups GroupsOf(Communicator& world, int expert_parallel) {
  LayoutConfig config;
  config.set_expert_parallel(expert_parallel);
  return MakeRankGroups(world, *MakeLayout(config, world.size(), world.rank()));
}

using Strings = std::vector<std::string>;

TEST(RankGroupsTest, ExpertsAreSplitOverStridedRanksAndCopiedOverNeighbours) {
  RunRanks(4, [](Communicator& world) {
    const int rank = world.rank();
    const RankGroups groups = GroupsOf(world, 2);
    // Data is the fastest axis: ranks 0 and 1 hold the first half of the experts, 2 and 3 the rest.
    EXPECT_EQ(Members(*groups.experts, rank),
              rank % 2 == 0 ? Strings({"0", "2"}) : Strings({"1", "3"}));
    EXPECT_EQ(Members(*groups.data, rank), rank < 2 ? Strings({"0", "1"}) : Strings({"2", "3"}));
    EXPECT_EQ(Members(*groups.replicas, rank), Strings({"0", "1", "2", "3"}));
  });
}

TEST(RankGroupsTest, RanksInGroupsAreTheLayoutsCoordinates) {
  for (const int expert_parallel : {1, 2, 4}) {
    RunRanks(4, [&](Communicator& world) {
      const RankGroups groups = GroupsOf(world, expert_parallel);
      EXPECT_EQ(groups.experts->rank(), groups.layout.expert_rank);
      EXPECT_EQ(groups.experts->size(), expert_parallel);
      EXPECT_EQ(groups.data->rank(), groups.layout.data_rank);
      EXPECT_EQ(groups.data->size(), 4 / expert_parallel);
      EXPECT_EQ(groups.replicas->rank(), groups.layout.replica());
      EXPECT_EQ(groups.world, &world);
    });
  }
}

TEST(RankGroupsTest, PartsOfAMicroBatchShareItsReplica) {
  RunRanks(8, [](Communicator& world) {
    LayoutConfig config;
    config.set_context_parallel(2);
    config.set_tensor_parallel(2);
    config.set_exact(false);
    const int rank = world.rank();
    const RankGroups groups = MakeRankGroups(world, *MakeLayout(config, 8, rank));
    const auto ranks = [](int first, int stride, int count) {
      Strings all;
      for (int i = 0; i < count; ++i) all.push_back(std::to_string(first + i * stride));
      return all;
    };
    EXPECT_EQ(Members(*groups.replicas, rank), ranks(0, 1, 8));
    EXPECT_EQ(Members(*groups.data, rank), ranks(0, 1, 8));
    EXPECT_EQ(Members(*groups.pieces, rank), ranks(rank % 2, 2, 4));
    EXPECT_EQ(Members(*groups.context, rank), ranks(rank / 4 * 4 + rank % 2, 2, 2));
    EXPECT_EQ(Members(*groups.tensor, rank), ranks(rank / 2 * 2, 1, 2));
    EXPECT_EQ(groups.experts->size(), 1);
    EXPECT_EQ(groups.pipeline->size(), 1);
  });
}

TEST(RankGroupsTest, APipelineHasTheRanksOfOneReplica) {
  RunRanks(4, [](Communicator& world) {
    LayoutConfig config;
    config.set_pipeline_parallel(2);
    const RankGroups groups = MakeRankGroups(world, *MakeLayout(config, 4, world.rank()));
    EXPECT_EQ(Members(*groups.pipeline, world.rank()),
              world.rank() % 2 == 0 ? Strings({"0", "2"}) : Strings({"1", "3"}));
    EXPECT_EQ(Members(*groups.replicas, world.rank()),
              world.rank() < 2 ? Strings({"0", "1"}) : Strings({"2", "3"}));
  });
}

TEST(RankGroupsTest, TheTwoCopiesOfADualPipeStageAreReplicas) {
  RunRanks(4, [](Communicator& world) {
    LayoutConfig config;
    config.set_pipeline_parallel(4);
    config.set_schedule("dualpipe");
    const Layout layout = *MakeLayout(config, 4, world.rank());
    const RankGroups ranks = MakeRankGroups(world, layout);
    const std::vector<StageGroups> stages = MakeStageGroups(ranks, DualPipe(4, 8));
    ASSERT_EQ(stages.size(), 2U);
    const int rank = world.rank();
    for (int chunk = 0; chunk < 2; ++chunk) {
      EXPECT_EQ(stages[chunk].chunk, chunk);
      EXPECT_EQ(stages[chunk].path, chunk);
      EXPECT_EQ(stages[chunk].stage, chunk == 0 ? rank : 3 - rank);
      EXPECT_EQ(stages[chunk].groups.layout.replica(), chunk);
    }
    // In the order of stages on every rank, as members of a group enter its collectives.
    for (const int chunk : rank < 2 ? std::vector<int>{0, 1} : std::vector<int>{1, 0}) {
      const int stage = stages[chunk].stage;
      EXPECT_EQ(Members(*stages[chunk].groups.replicas, rank),
                Strings({std::to_string(stage), std::to_string(3 - stage)}));
    }
  });
}

}  // namespace
}  // namespace deduce
