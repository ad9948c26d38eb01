// Which rank is what: the only rank arithmetic of the project.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "configs/config.pb.h"

namespace deduce {

// World ranks in order of (pipeline, expert, data): data is the fastest. The data and expert axes
// together are the *replicas*: all of them hold the dense weights and take different micro-batches;
// routed experts are split over the expert axis and copied along the data axis.
struct Layout {
  int data_parallel = 1;
  int expert_parallel = 1;

  int num_ranks = 1;
  int rank = 0;  // world
  int data_rank = 0;
  int expert_rank = 0;

  // Replica index r = expert_rank * data_parallel + data_rank; micro-batch m of a step belongs to
  // replica m mod num_replicas. The replicas of one expert group {data_rank + i * data_parallel}
  // are then a complete subtree of TreeSum.
  int num_replicas() const { return data_parallel * expert_parallel; }
  int replica() const { return expert_rank * data_parallel + data_rank; }
};

// InvalidArgument, naming the field path, when the axes do not multiply to num_ranks, when exact
// mode is asked of a number of replicas that is no power of two, or when an axis is not supported
// yet.
absl::StatusOr<Layout> MakeLayout(const LayoutConfig& config, int num_ranks, int rank);

}  // namespace deduce
