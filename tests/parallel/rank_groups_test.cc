#include "parallel/rank_groups.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

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

}  // namespace
}  // namespace deduce
