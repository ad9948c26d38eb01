#include "parallel/rank_groups.h"

#include <algorithm>
#include <utility>

#include "parallel/communicator/staged_communicator.h"
#include "parallel/pipeline/plan.h"

namespace deduce {
namespace {

// A group that is called after its axis and takes tensors of the layout's device.
std::unique_ptr<Communicator> SplitAlong(Communicator& world, const Layout& layout,
                                         const char* axis, int color, int key) {
  const ActionScope action(world, axis);
  std::unique_ptr<Communicator> group = world.Split(color, key);
  return layout.device.is_cpu() ? std::move(group) : MakeStagedCommunicator(std::move(group));
}

// The groups of the ranks that share a coordinate of the pipeline: a rank of it, or a stage.
RankGroups MakeGroups(Communicator& world, const Layout& layout, int coordinate) {
  RankGroups groups;
  groups.layout = layout;
  groups.world = &world;
  const int parts = layout.num_parts(), part = layout.part();
  const int contexts = layout.context_parallel, context = layout.context_rank;
  const int tensors = layout.tensor_parallel, tensor = layout.tensor_rank;
  const int replica = coordinate * layout.num_replicas() + layout.replica();  // of all
  groups.replicas =
      SplitAlong(world, layout, "replicas", coordinate, layout.replica() * parts + part);
  groups.experts = SplitAlong(world, layout, "experts",
                              (coordinate * layout.data_parallel + layout.data_rank) * parts + part,
                              layout.expert_rank);
  groups.data =
      SplitAlong(world, layout, "data", coordinate * layout.expert_parallel + layout.expert_rank,
                 layout.data_rank * parts + part);
  groups.pieces = SplitAlong(world, layout, "pieces", coordinate * tensors + tensor,
                             layout.replica() * contexts + context);
  groups.context = SplitAlong(world, layout, "context", replica * tensors + tensor, context);
  groups.tensor = SplitAlong(world, layout, "tensor", replica * contexts + context, tensor);
  return groups;
}

}  // namespace

RankGroups MakeRankGroups(Communicator& world, const Layout& layout) {
  RankGroups groups = MakeGroups(world, layout, layout.pipeline_rank);
  groups.pipeline =
      SplitAlong(world, layout, "pipeline", layout.replica() * layout.num_parts() + layout.part(),
                 layout.pipeline_rank);
  return groups;
}

std::vector<StageGroups> MakeStageGroups(const RankGroups& ranks, const Schedule& schedule) {
  const int rank = ranks.layout.pipeline_rank;
  std::vector<StageGroups> stages;
  for (int stage = 0; stage < schedule.num_stages(); ++stage) {
    for (size_t path = 0; path < schedule.paths.size(); ++path) {
      const Place place = schedule.paths[path][stage];
      if (place.rank != rank) continue;
      stages.push_back({.stage = stage, .chunk = place.chunk, .path = static_cast<int>(path)});
    }
  }
  // All ranks that hold a stage hold the same number of stages before it, so they make its groups
  // at the same time.
  for (StageGroups& each : stages) {
    const int copies = static_cast<int>(HoldersOf(schedule, each.stage).size());
    const Layout layout = ranks.layout.WithCopies(copies, copies == 1 ? 0 : each.path);
    each.groups = MakeGroups(*ranks.world, layout, each.stage);
  }
  std::sort(stages.begin(), stages.end(),
            [](const StageGroups& a, const StageGroups& b) { return a.chunk < b.chunk; });
  return stages;
}

}  // namespace deduce
