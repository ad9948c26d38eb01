// The only place that trains. Pre-training, fine-tuning, distillation and GRPO differ in the batch
// and the Objective.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "configs/layout.pb.h"
#include "configs/objective.pb.h"
#include "data/records/batch.h"
#include "parallel/pipeline/action_recorder.h"
#include "trainer/step/objective.h"
#include "trainer/step/optimizer.h"
#include "trainer/step/rank_model.h"

namespace deduce {

// Everything a rank trains with. Built once a stage of a run.
struct TrainState {
  // Not owned.
  explicit TrainState(RankModel& model_in,
                      LayoutConfig::Recompute recompute_in = LayoutConfig::none);

  int64_t num_updates() const { return optimizers.front().num_updates(); }
  void set_num_updates(int64_t value);

  RankModel& model;
  std::vector<Optimizer> optimizers;  // of each chunk
  LayoutConfig::Recompute recompute;
  ActionRecorder* recorder = nullptr;  // of what steps do; not owned
};

// The batch of one optimizer step: the same on every rank, which works on its own share of the
// micro-batches. Those of other replicas may be outlines: sequence_starts and sample_ids alone.
struct StepBatch {
  std::vector<PackedBatch> micro_batches;  // by global index
  Counts counts;  // of the objective's components, > 0; the step adds kSequences
};

struct StepOptions {
  double learning_rate = 0;
  OptimizerConfig optimizer;
};

struct StepStats {
  // Each loss component's sum / count, without its weight: loss; mtp_loss, a predicted token;
  // balance_loss, the mean over sequences and routed layers.
  std::map<std::string, double> losses;
  double grad_norm = 0;                // before clipping
  bool finite = true;                  // false: the update was skipped, on all ranks
  double max_over_mean_load = 0;       // of experts, worst layer; 0 without experts
  double max_over_mean_rank_load = 0;  // of ranks that share experts, worst layer; of the layout
  int64_t num_tokens = 0;
  std::vector<std::pair<std::string, double>> metric_sums;  // of the Objective, over the step

  // 0 for a component that there was not.
  double Loss(const std::string& component = "loss") const;
};

// Collective over the world. Zero gradients; forward and backward of all micro-batches; reduce;
// norm and clip; agree that all is finite; optimizer step; routing bias. The result has the same
// bits on every layout (docs/design/numerics.md). Throws c10::Error before any work if the batch or
// the model lacks a column, a head or a count that the objective needs, or if a micro-batch that
// this rank works on is an outline.
StepStats TrainStep(TrainState& state, const StepBatch& batch, const Objective& objective,
                    const StepOptions& options);

}  // namespace deduce
