#include "parallel/rank_groups.h"

namespace deduce {

RankGroups MakeRankGroups(Communicator& world, const Layout& layout) {
  RankGroups groups;
  groups.layout = layout;
  groups.world = &world;
  groups.replicas = world.Split(0, layout.replica());
  groups.experts = world.Split(layout.data_rank, layout.expert_rank);
  groups.data = world.Split(layout.expert_rank, layout.data_rank);
  return groups;
}

}  // namespace deduce
