// The communicators of one rank: the world, and its group along each axis.
#pragma once

#include <memory>
#include <vector>

#include "parallel/communicator/communicator.h"
#include "parallel/layout.h"
#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Groups take tensors of the layout's device, the world those of the host.
struct RankGroups {
  Layout layout;
  Communicator* world = nullptr;  // not owned
  // All holders of the same whole weights, by (replica, part); of the same pieces of split weights,
  // by (replica, context rank); of the same experts, by (data rank, part).
  std::unique_ptr<Communicator> replicas, pieces, data;
  // The ranks that the routed experts are split over, by expert rank.
  std::unique_ptr<Communicator> experts;
  // The ranks that share a micro-batch's tokens, by context rank and by tensor rank.
  std::unique_ptr<Communicator> context, tensor;
  // The ranks of this replica and part, by pipeline rank.
  std::unique_ptr<Communicator> pipeline;
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
