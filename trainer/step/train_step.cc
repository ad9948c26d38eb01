#include "trainer/step/train_step.h"

#include <ATen/ops/amax.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "kernels/exact_sum.h"
#include "kernels/host_values.h"
#include "parallel/pipeline/executor.h"
#include "parallel/reduce/exact_norm.h"
#include "trainer/step/chunk_trainer.h"
#include "trainer/step/shared_embedding.h"
#include "trainer/step/step_numbers.h"
#include "trainer/step/step_plan.h"

namespace deduce {
namespace {

bool IsOutline(const PackedBatch& micro_batch) { return !micro_batch.tokens_x.defined(); }

// Checks that the objective's inputs are there.
void CheckNeeds(const StepBatch& batch, const Objective& objective, const ModelConfig& config) {
  for (const Head head : objective.heads()) {
    TORCH_CHECK(head != Head::kNextToken || config.num_nextn_predict_layers() > 0,
                "TrainStep: found a model without prediction module, expected one for its loss");
  }
  for (const PackedBatch& micro_batch : batch.micro_batches) {
    if (IsOutline(micro_batch)) continue;
    for (const Column column : objective.columns()) {
      TORCH_CHECK(micro_batch.Has(column), "TrainStep: found a micro-batch without column ",
                  ColumnName(column), ", expected what the objective reads");
    }
  }
  for (const auto& [key, count] : batch.counts) {
    TORCH_CHECK(count > 0, "TrainStep: found count ", key, " ", count, ", expected a positive one");
  }
}

// The micro-batches that this rank works on are there.
void CheckPresent(const StepBatch& batch, const StepPlan& step) {
  for (const int64_t m : step.micro_batch_of) {
    TORCH_CHECK(
        m >= static_cast<int64_t>(batch.micro_batches.size()) || !IsOutline(batch.micro_batches[m]),
        "TrainStep: found an outline of micro-batch ", m, ", expected its tokens here");
  }
}

Counts StepCounts(const StepBatch& batch) {
  Counts counts = batch.counts;
  double& sequences = counts[kSequences];
  for (const PackedBatch& micro_batch : batch.micro_batches)
    sequences += static_cast<double>(micro_batch.num_sequences());
  return counts;
}

void FillStats(const std::vector<std::pair<std::string, double>>& sums, StepStats& stats) {
  const std::string prefix = StepWork::LossNumber("");
  for (const auto& [name, sum] : sums) {
    if (name.starts_with(prefix)) {
      stats.losses[name.substr(prefix.size())] = sum;
    } else {
      stats.metric_sums.emplace_back(name, sum);
    }
  }
}

// Collective. Square root of the sum of squares of the step's gradient: the same bits on every
// layout.
double GradientNorm(RankModel& model, const std::vector<std::unique_ptr<ChunkTrainer>>& stages) {
  at::Tensor squares = ZeroExactSum(model.chunks().front().store->groups().front().values.device());
  for (size_t c = 0; c < stages.size(); ++c)
    model.chunks()[c].store->AddShardSquares(stages[c]->shards(), squares);
  return ExactNorm(squares, *model.ranks().world);
}

// Collective. Clips by the global norm and updates, or skips when a number is not finite; the norm
// is the same on all ranks, and any non-finite gradient makes it so, hence all agree without
// another message.
void Update(TrainState& state, const std::vector<std::unique_ptr<ChunkTrainer>>& stages,
            const StepOptions& options, StepStats& stats) {
  c10::NoGradGuard no_grad;
  stats.grad_norm = GradientNorm(state.model, stages);
  stats.finite = std::isfinite(stats.grad_norm);
  if (!stats.finite) return;
  const double limit = options.optimizer.max_grad_norm();
  for (const size_t c : state.model.ChunksByStage()) {
    const PlanAction update{.op = PlanOp::kUpdate, .chunk = static_cast<int>(c)};
    const ActionRecorder::Scope recorded(state.recorder, update);
    std::vector<at::Tensor>& shards = stages[c]->shards();
    if (limit > 0 && stats.grad_norm > limit) {
      for (at::Tensor& shard : shards) shard.mul_(limit / stats.grad_norm);
    }
    state.optimizers[c].Step(shards, options.learning_rate, options.optimizer);
  }
  CopySharedEmbedding(state.model);
}

// Largest load of an expert over the mean, over layers.
double MaxOverMean(const at::Tensor& load_le) {
  double worst = 0;
  const std::vector<int64_t> load = HostValues<int64_t>(load_le);
  const int64_t experts = load_le.size(1);
  for (int64_t l = 0; l < load_le.size(0); ++l) {
    int64_t most = 0, sum = 0;
    for (int64_t e = 0; e < experts; ++e) {
      most = std::max(most, load[l * experts + e]);
      sum += load[l * experts + e];
    }
    if (sum > 0)
      worst = std::max(worst, static_cast<double>(most * experts) / static_cast<double>(sum));
  }
  return worst;
}

// Largest load of a rank of the expert group over the mean, over layers.
double MaxOverMeanRankLoad(Transformer& model, const at::Tensor& load_le) {
  double worst = 0;
  const std::vector<double> load = HostValues<double>(load_le);
  auto layer = load.begin();
  for (const ExpertPlacement& placement : model.placements()) {
    const std::vector<double> loads(layer, layer + load_le.size(1));
    worst = std::max(worst, placement.MaxOverMeanRankLoad(loads));
    layer += load_le.size(1);
  }
  return worst;
}

// Collective. Balances experts by the whole step's load: tokens by biases, ranks by places.
void BalanceExperts(TrainState& state, StepStats& stats) {
  RankModel& model = state.model;
  if (!model.config().has_moe()) return;
  const int64_t rebalance_every = model.ranks().layout.rebalance_every;
  for (const size_t c : model.ChunksByStage()) {
    ModelChunk& chunk = model.chunks()[c];
    const at::Tensor own_le =
        chunk.model->expert_load_le().clone();  // the next line clears the original
    chunk.model->ResetExpertLoad();
    if (own_le.numel() == 0) continue;
    const at::Tensor sum_le = AllReduceSum(*chunk.stage.groups.replicas, own_le);
    if (stats.finite)
      chunk.model->UpdateRoutingBias(sum_le, model.config().moe().bias_update_speed());
    const at::Tensor load_le = sum_le.cpu();
    stats.max_over_mean_load = std::max(stats.max_over_mean_load, MaxOverMean(load_le));
    stats.max_over_mean_rank_load =
        std::max(stats.max_over_mean_rank_load, MaxOverMeanRankLoad(*chunk.model, load_le));
    if (!chunk.slots) continue;
    chunk.slots->CountLoad(load_le);
    if (state.num_updates() % rebalance_every == 0) chunk.slots->Rebalance();
    chunk.slots->Fill();
  }
  const at::Tensor own = at::tensor({stats.max_over_mean_load, stats.max_over_mean_rank_load},
                                    at::TensorOptions(at::kCPU).dtype(at::kDouble));
  const at::Tensor most = at::amax(model.ranks().world->AllGather(own), 0);
  stats.max_over_mean_load = most[0].item<double>();
  stats.max_over_mean_rank_load = most[1].item<double>();
}

}  // namespace

TrainState::TrainState(RankModel& model_in, LayoutConfig::Recompute recompute_in)
    : model(model_in), recompute(recompute_in) {
  for (ModelChunk& chunk : model.chunks()) optimizers.emplace_back(*chunk.store);
}

void TrainState::set_num_updates(int64_t value) {
  for (Optimizer& optimizer : optimizers) optimizer.set_num_updates(value);
}

double StepStats::Loss(const std::string& component) const {
  const auto found = losses.find(component);
  return found == losses.end() ? 0 : found->second;
}

StepStats TrainStep(TrainState& state, const StepBatch& batch, const Objective& objective,
                    const StepOptions& options) {
  RankModel& model = state.model;
  CheckNeeds(batch, objective, model.config());
  const Counts counts = StepCounts(batch);
  const StepPlan step = MakeStepPlan(model, static_cast<int64_t>(batch.micro_batches.size()),
                                     /*forward_only=*/false);
  CheckPresent(batch, step);
  StepNumbers numbers;
  const StepWork work{
      batch.micro_batches, step.micro_batch_of, objective, counts, state.recompute, numbers};
  std::vector<std::unique_ptr<ChunkTrainer>> stages;
  std::vector<ChunkWork*> driven;
  for (ModelChunk& chunk : model.chunks()) {
    stages.push_back(std::make_unique<ChunkTrainer>(chunk, work));
    driven.push_back(stages.back().get());
  }
  Execute(step.plan, driven, *model.ranks().pipeline, state.recorder);

  StepStats stats;
  for (const PackedBatch& micro_batch : batch.micro_batches)
    stats.num_tokens += micro_batch.sequence_starts.back();
  FillStats(numbers.Sums(*model.ranks().world), stats);
  for (const size_t c : model.ChunksByStage()) stages[c]->FinishSums();
  std::vector<std::vector<at::Tensor>*> shards;
  for (const auto& stage : stages) shards.push_back(&stage->shards());
  AddSharedEmbedding(model, shards);
  Update(state, stages, options, stats);
  BalanceExperts(state, stats);
  return stats;
}

}  // namespace deduce
