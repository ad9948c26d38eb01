#include "trainer/step/rank_model.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "parallel/pipeline/prove.h"
#include "trainer/model/model_part.h"

namespace deduce {

absl::Status CheckModelLayout(const ModelConfig& config, const Layout& layout) {
  return SplitModel(config, layout.num_stages(), layout.stage_layers).status();
}

RankModel::RankModel(const ModelConfig& config, std::optional<uint64_t> seed, RankGroups& ranks,
                     bool sharded, at::ScalarType type)
    : ranks_(ranks) {
  const Layout& layout = ranks.layout;
  pipeline_ = layout.Pipeline(layout.Padded(1));
  for (std::vector<Step>& steps : pipeline_.ranks) steps.clear();
  const auto parts = SplitModel(config, pipeline_.num_stages(), layout.stage_layers);
  TORCH_CHECK(parts.ok(), parts.status().ToString());
  const at::TensorOptions options = at::TensorOptions(layout.device).dtype(type);
  for (StageGroups& stage : MakeStageGroups(ranks, pipeline_)) {
    ModelChunk chunk{.stage = std::move(stage)};
    const RankGroups& groups = chunk.stage.groups;
    chunk.model = Transformer::Create(config, seed, ModelGroups(groups),
                                      parts->at(chunk.stage.stage), options);
    chunk.store = std::make_unique<ParameterStore>(chunk.model->parameters(), groups, sharded);
    chunks_.push_back(std::move(chunk));
  }
  if (layout.rebalance_every == 0) return;
  for (ModelChunk& chunk : chunks_) {
    if (chunk.model->placements().empty()) continue;
    chunk.slots = std::make_unique<ExpertSlots>(*chunk.model, *chunk.store, chunk.stage.groups);
  }
  FillExpertSlots();
}

void RankModel::FillExpertSlots() {
  for (const size_t c : ChunksByStage()) {
    if (chunks_[c].slots) chunks_[c].slots->Fill();
  }
}

std::vector<size_t> RankModel::ChunksByStage() const {
  std::vector<size_t> order(chunks_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return chunks_[a].stage.stage < chunks_[b].stage.stage; });
  return order;
}

std::vector<ParameterStore*> RankModel::StoresByStage() const {
  std::vector<ParameterStore*> stores;
  for (const size_t c : ChunksByStage()) stores.push_back(chunks_[c].store.get());
  return stores;
}

const Plan& RankModel::PlanFor(int num_micro_batches, bool forward_only) {
  const auto found = plans_.find({num_micro_batches, forward_only});
  if (found != plans_.end()) return found->second;
  Plan plan = MakePlan(ranks_.layout, num_micro_batches);
  const absl::Status proof = Prove(plan, {});
  TORCH_CHECK(proof.ok(), "the plan of schedule ", plan.schedule.name, ": ", proof.ToString());
  if (forward_only) plan = MakePlan(ranks_.layout, num_micro_batches, forward_only);
  return plans_.emplace(std::pair(num_micro_batches, forward_only), std::move(plan)).first->second;
}

void RolloutCache::CopySlot(int64_t from, int64_t to, int64_t length) {
  for (KvCache& cache : by_chunk) cache.CopySlot(from, to, length);
}

RolloutCache RankModel::MakeCache(int64_t num_slots, int64_t max_positions) const {
  RolloutCache cache;
  for (const ModelChunk& chunk : chunks_) {
    // Rollouts go down the first path alone.
    cache.by_chunk.push_back(
        chunk.stage.path == 0 ? chunk.model->MakeCache(num_slots, max_positions) : KvCache());
  }
  return cache;
}

at::Tensor RankModel::NextLogProbs(const at::Tensor& tokens_t, const std::vector<int64_t>& slots,
                                   const std::vector<int64_t>& positions,
                                   const std::vector<int64_t>& wanted, double temperature,
                                   RolloutCache& cache) {
  const std::vector<Place>& path = pipeline_.paths.front();
  const int rank = ranks_.layout.pipeline_rank;
  const int last = static_cast<int>(path.size()) - 1;
  const at::TensorOptions& options = chunks_.front().model->options();
  at::Tensor x_td, log_prob_nv;
  for (int stage = 0; stage <= last; ++stage) {
    if (path[stage].rank != rank) continue;
    if (stage > 0 && path[stage - 1].rank != rank) {
      x_td = at::empty({tokens_t.numel(), config().hidden_size()}, options);
      ranks_.pipeline->Receive(x_td, path[stage - 1].rank, stage)->Wait();
    }
    const int chunk = path[stage].chunk;
    const Transformer& model = *chunks_[chunk].model;
    x_td = chunks_[chunk].model->ForwardCached(tokens_t, slots, positions, cache.by_chunk[chunk],
                                               stage == 0 ? at::Tensor() : x_td);
    if (stage < last && path[stage + 1].rank != rank)
      ranks_.pipeline->Send(x_td.contiguous(), path[stage + 1].rank, stage + 1)->Wait();
    if (stage == last && !wanted.empty()) {
      const at::Tensor row_n = at::tensor(wanted, options.dtype(at::kLong));
      log_prob_nv = model.LogProbRows(at::index_select(x_td, 0, row_n), temperature);
    }
  }
  if (wanted.empty() || ranks_.pipeline->size() == 1) return log_prob_nv;
  if (!log_prob_nv.defined()) {
    log_prob_nv = at::empty({static_cast<int64_t>(wanted.size()), config().vocab_size()}, options);
  }
  log_prob_nv = log_prob_nv.contiguous();
  ranks_.pipeline->Broadcast(log_prob_nv, path[last].rank);
  return log_prob_nv;
}

RoundedChunks::RoundedChunks(RankModel& model) {
  for (ModelChunk& chunk : model.chunks())
    chunks_.push_back(std::make_unique<RoundedWeights>(chunk.model->parameters()));
}

}  // namespace deduce
