// Which rank is what: the only rank arithmetic of the project.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/layout.pb.h"
#include "parallel/pipeline/plan.h"
#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// World ranks in order of (pipeline, expert, data, context, tensor): tensor is the fastest. The
// data and expert axes together are the *replicas*: each takes other micro-batches; all of them
// hold the dense weights, routed experts are split over the expert axis and copied along the data
// axis. The context and tensor axes split the tokens of a micro-batch into *parts*; the tensor axis
// also splits the matrices of attention and dense feed-forward layers.
struct Layout {
  int data_parallel = 1;
  int expert_parallel = 1;
  int pipeline_parallel = 1;
  int context_parallel = 1;
  int tensor_parallel = 1;
  bool gathers_keys = false;          // context ranks, instead of a ring
  int zero_stage = 1;                 // what holders of the same weights share: LayoutConfig
  bool exact = true;                  // the bits of one rank
  std::string schedule = "1f1b";      // of the pipeline: a generator's name, or "file:PATH"
  int num_chunks = 1;                 // pipeline stages that a rank holds
  std::vector<int64_t> stage_layers;  // of each pipeline stage; empty: as even as they go
  std::shared_ptr<const Schedule> own_schedule;  // what that file holds, proved; null without one
  int64_t rebalance_every = 0;     // updates between placements of experts; 0: they stay at home
  int redundant_experts = 0;       // copies of experts, over the ranks of an expert group
  int expert_nodes = 1;            // that the ranks of an expert group lie on
  c10::Device device = c10::kCPU;  // where each rank's model lives

  int num_ranks = 1;
  int rank = 0;  // world
  int data_rank = 0;
  int expert_rank = 0;
  int pipeline_rank = 0;
  int context_rank = 0;
  int tensor_rank = 0;

  // Replica index r = expert_rank * data_parallel + data_rank; micro-batch m of a step belongs to
  // replica m mod num_replicas. The replicas of one expert group {data_rank + i * data_parallel}
  // are then a complete subtree of TreeSum.
  int num_replicas() const { return data_parallel * expert_parallel; }
  int replica() const { return expert_rank * data_parallel + data_rank; }

  // Parts of a micro-batch's tokens, context_rank * tensor_parallel + tensor_rank.
  int num_parts() const { return context_parallel * tensor_parallel; }
  int part() const { return context_rank * tensor_parallel + tensor_rank; }

  // Whether gradients are reduced to shards after every micro-batch. Exact mode reduces them once a
  // step, in its own order.
  bool reduces_each_micro_batch() const { return zero_stage >= 2 && !exact; }
  // Whether weights are whole only while they are used.
  bool shards_weights() const { return zero_stage == 3; }

  // Pipeline stages.
  int num_stages() const;

  // The least number of micro-batches of a replica, at least num_micro_batches, that the schedule
  // takes; empty ones fill it up. A user's schedule takes a fixed number and is repeated as often
  // as needed.
  int Padded(int num_micro_batches) const;

  // The pipeline's schedule; num_micro_batches is what Padded returns.
  Schedule Pipeline(int num_micro_batches) const;

  // This rank as one of `copies` that a pipeline has of one of its stages (2 with DualPipe): they
  // take different micro-batches too, as if the data axis were that much longer.
  Layout WithCopies(int copies, int copy) const;

  // This rank where micro-batches are not split over the context axis: context ranks then count as
  // further ranks of the data axis.
  Layout WithWholeContexts() const;
};

// InvalidArgument, naming the field path, when the axes do not multiply to num_ranks, when the
// schedule cannot have them, when exact mode is asked of a number of replicas that is no power of
// two or of tokens that are split; naming the file and line, when a user's schedule cannot be read;
// naming the first wrong action, when it cannot be proved.
absl::StatusOr<Layout> MakeLayout(const LayoutConfig& config, int num_ranks, int rank);

// Where the layout wants each rank's model.
c10::Device DeviceOf(const LayoutConfig& config);

// InvalidArgument, naming the field path, when this machine lacks the device that the layout wants.
// MakeLayout does not check this, since layouts are planned for other machines too.
absl::Status CheckDevice(const LayoutConfig& config);

// The plan of the pipeline's ranks for so many micro-batches, a number that Padded returns.
// forward_only: the forwards alone.
Plan MakePlan(const Layout& layout, int num_micro_batches, bool forward_only = false);

}  // namespace deduce
