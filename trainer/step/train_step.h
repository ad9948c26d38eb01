// The only place that trains. Pre-training, fine-tuning, distillation and GRPO differ in the batch
// and the LossFn.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "configs/layout.pb.h"
#include "configs/objective.pb.h"
#include "data/records/batch.h"
#include "parallel/pipeline/action_recorder.h"
#include "trainer/step/loss.h"
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
// micro-batches.
struct StepBatch {
  std::vector<PackedBatch> micro_batches;  // by global index
  double count = 0;                        // what the loss sum is divided by; > 0
};

struct StepOptions {
  double learning_rate = 0;
  double mtp_loss_weight =
      0;  // lambda of the prediction module's loss, used when the LossFn wants it
  OptimizerConfig optimizer;
};

struct StepStats {
  double loss = 0;                     // main loss sum / count
  double mtp_loss = 0;                 // per predicted token; 0 without the module
  double balance_loss = 0;             // mean over sequences and routed layers, without alpha
  double grad_norm = 0;                // before clipping
  bool finite = true;                  // false: the update was skipped, on all ranks
  double max_over_mean_load = 0;       // of experts, worst layer; 0 without experts
  double max_over_mean_rank_load = 0;  // of ranks that share experts, worst layer; of the layout
  int64_t num_tokens = 0;
  std::vector<std::pair<std::string, double>> metric_sums;  // of the LossFn, over the step
};

// Collective over the world. Zero gradients; forward and backward of all micro-batches; reduce;
// norm and clip; agree that all is finite; optimizer step; routing bias. The result has the same
// bits on every layout (DESIGN.md, Numerics).
StepStats TrainStep(TrainState& state, const StepBatch& batch, const LossFn& loss,
                    const StepOptions& options);

}  // namespace deduce
