// The communicators of one rank: the world, and its group along each axis.
#pragma once

#include <memory>
#include <vector>

#include "parallel/communicator.h"
#include "parallel/layout.h"
#include "parallel/schedule/schedule.h"

namespace deduce {

struct RankGroups {
  Layout layout;
  Communicator* world = nullptr;  // not owned
  std::unique_ptr<Communicator>
      replicas;  // all holders of the same dense weights, by replica index
  std::unique_ptr<Communicator>
      experts;  // the ranks that the routed experts are split over, by expert rank
  std::unique_ptr<Communicator> data;      // the ranks with the same experts, by data rank
  std::unique_ptr<Communicator> pipeline;  // the ranks of this replica, by pipeline rank
};

// Collective over `world`.
RankGroups MakeRankGroups(Communicator& world, const Layout& layout);

// The groups of one of a rank's pipeline stages. Where a pipeline has two copies of it, they are
// replicas: layout is Layout::WithCopies.
struct StageGroups {
  int stage = 0;
  int chunk = 0;  // of this rank
  int path = 0;   // of the schedule, by which this rank comes to hold the stage
  RankGroups groups;
};

// Collective over the world of `ranks`. One for each of this rank's chunks, in their order.
// `schedule`: of ranks.layout, with any number of micro-batches.
std::vector<StageGroups> MakeStageGroups(const RankGroups& ranks, const Schedule& schedule);

}  // namespace deduce
