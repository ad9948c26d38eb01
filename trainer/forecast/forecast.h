// The forecast that `deduce plan` gives before any rank works: layout, proof, memory and time.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "parallel/layout.h"
#include "parallel/pipeline/plan.h"
#include "parallel/pipeline/simulate.h"
#include "trainer/forecast/cost_model.h"
#include "trainer/forecast/memory.h"
#include "trainer/model/model_part.h"

namespace deduce {

// The data of one update.
struct UpdateShape {
  double sequences = 0;           // in all replicas
  double sequence_length = 0;     // tokens
  double micro_batch_tokens = 0;  // capacity; longer sequences are cut, and see all of themselves
  double tokens() const { return sequences * sequence_length; }
};

// An update of one pipeline, which all pipelines do alike. Times in seconds.
struct TimedUpdate {
  int micro_batches = 0;  // in a replica
  int padding = 0;        // how many of them are there for the schedule's sake, and take as long
  Plan plan;              // proved
  Timeline timeline;
  double optimizer = 0;  // the update of weights, and what of the reductions is not hidden
  double seconds() const { return timeline.makespan + optimizer; }
};

struct Forecast {
  RunConfig config;
  ClusterConfig cluster;         // completed
  Layout layout;                 // as the first rank has it
  std::vector<ModelPart> parts;  // the pipeline's stages
  CostModel costs;
  UpdateShape shape;
  TimedUpdate update;
  std::vector<RankBytes> memory;  // by pipeline rank

  int64_t parameters = 0, active_parameters = 0;  // without the prediction module
  double flops_per_token = 0;                     // TrainingFlops
  double tokens_per_second = 0;                   // on all ranks
  double tflops_per_rank = 0;
  double utilization = 0;  // share of the cluster's peak
  double rank_hours_per_trillion_tokens = 0;
  double dollars_per_trillion_tokens = 0;  // 0 without a price
};

// Ranks of a layout; asked: what the command line says, or 0 for the product of its axes, with one
// data rank where data_parallel says none. InvalidArgument, naming the field, when there are more
// than 2^20.
absl::StatusOr<int> NumPlannedRanks(const LayoutConfig& config, int64_t asked);

// Plans the first stage of a validated config. InvalidArgument names the field that cannot be
// planned, the first wrong action of the plan, or the first rank whose memory does not suffice.
absl::StatusOr<Forecast> MakeForecast(const RunConfig& config, int num_ranks);

// An update of other data under the same plan's layout and costs; memory is not looked at.
absl::StatusOr<TimedUpdate> TimeUpdate(const Forecast& plan, const UpdateShape& shape);

// Seconds of forwards alone, as a reference model's.
absl::StatusOr<double> TimeForward(const Forecast& plan, const UpdateShape& shape);

}  // namespace deduce
