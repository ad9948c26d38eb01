#include "trainer/step/chunk_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "trainer/step/log_probs_where_weighted.h"
#include "trainer/step/step_plan.h"

namespace deduce {

ChunkTrainer::ChunkTrainer(ModelChunk& chunk, const StepWork& work)
    : chunk_(chunk),
      work_(work),
      empty_(EmptyBatch()),
      routed_layers_before_(NumRoutedLayersBefore(chunk.model->config(), chunk.model->part())) {
  const auto num_micro_batches = static_cast<int64_t>(work.micro_batches.size());
  free_.resize(chunk.store->groups().size());
  for (const FlatGroup& group : chunk.store->groups()) {
    trees_.emplace_back();
    for (int source = 0; source < group.num_sources; ++source) {
      trees_.back().emplace_back(num_micro_batches, SourceReplica(group, source),
                                 chunk.stage.groups.layout.num_replicas());
    }
  }
}

bool ChunkTrainer::IsReal(int micro_batch) const {
  return work_.micro_batch_of.at(micro_batch) < static_cast<int64_t>(work_.micro_batches.size());
}

// Lives as long as the stage: graphs may read it.
const MicroBatchPart& ChunkTrainer::Part(int micro_batch) {
  const auto found = parts_.find(micro_batch);
  if (found != parts_.end()) return found->second;
  const PackedBatch& whole =
      IsReal(micro_batch) ? work_.micro_batches[work_.micro_batch_of[micro_batch]] : empty_;
  return parts_
      .emplace(micro_batch,
               SplitForRank(whole, chunk_.stage.groups.layout, work_.denominators.mtp > 0))
      .first->second;
}

void ChunkTrainer::Report(int micro_batch, const std::string& name, double value, int64_t layer,
                          int64_t layers) {
  if (!IsReal(micro_batch)) return;
  const Layout& layout = chunk_.stage.groups.layout;
  const int64_t index = work_.micro_batch_of[micro_batch] * layers + layer;
  work_.numbers.Add(name, index * layout.num_parts() + layout.part(), value);
}

at::Tensor ChunkTrainer::EmptyInput(int micro_batch) {
  return at::empty({Part(micro_batch).batch.num_tokens(), chunk_.model->config().hidden_size()},
                   chunk_.model->type());
}

at::Tensor ChunkTrainer::Loss(int micro_batch, const ForwardResult& forward) {
  const MicroBatchPart& part = Part(micro_batch);
  const PackedBatch& batch = part.batch;
  const LossTerms terms =
      work_.loss(batch, LogProbsWhereWeighted(*chunk_.model, forward.hidden_xd, batch.targets_x,
                                              batch.weights_x, work_.loss.temperature()));
  at::Tensor loss = terms.sum / work_.denominators.main;
  Report(micro_batch, "step/loss", terms.sum.item<double>());
  if (work_.denominators.mtp > 0) {
    const MtpTargets& mtp = part.mtp;
    const TokenLogProbs log_probs =
        LogProbsWhereWeighted(*chunk_.model, forward.mtp_hidden_xd, mtp.targets_x, mtp.weights_x);
    const at::Tensor sum = -(log_probs.log_prob_t * mtp.weights_x).sum();
    loss = loss + sum * (work_.mtp_loss_weight / work_.denominators.mtp);
    Report(micro_batch, "step/mtp_loss", sum.item<double>());
  }
  for (const auto& [name, value] : terms.metric_sums) Report(micro_batch, name, value);
  return loss;
}

ChunkTrainer::Held ChunkTrainer::Compute(int micro_batch, const at::Tensor& input_xd) {
  Held held;
  if (input_xd.defined()) held.input_xd = input_xd.detach().requires_grad_(true);
  const MicroBatchPart& part = Part(micro_batch);
  ForwardResult forward =
      chunk_.model->Forward(part.batch, work_.denominators.mtp > 0, held.input_xd,
                            work_.recompute == LayoutConfig::selective, part.share.get());
  held.root = chunk_.model->part().last ? Loss(micro_batch, forward) : forward.x_xd;
  held.balance = std::move(forward.balance_losses);
  const int64_t layers = NumRoutedLayers(chunk_.model->config());
  for (size_t i = 0; i < held.balance.size(); ++i) {
    Report(micro_batch, "step/balance_loss", held.balance[i].item<double>(),
           routed_layers_before_ + static_cast<int64_t>(i), layers);
  }
  return held;
}

at::Tensor ChunkTrainer::Forward(int micro_batch, const at::Tensor& input_xd) {
  if (chunk_.model->part().last) {  // its backward comes next: nothing to be saved
    held_[micro_batch] = Compute(micro_batch, input_xd);
    return {};
  }
  if (work_.recompute == LayoutConfig::full) {
    // Without gradients experts' loads and losses are not counted; the second forward does.
    const c10::NoGradGuard no_grad;
    held_[micro_batch].input_xd = input_xd;
    const MicroBatchPart& part = Part(micro_batch);
    return chunk_.model
        ->Forward(part.batch, /*with_mtp=*/false, input_xd, /*recompute_attention=*/false,
                  part.share.get())
        .x_xd;
  }
  return (held_[micro_batch] = Compute(micro_batch, input_xd)).root.detach();
}

at::Tensor ChunkTrainer::RunBackward(int micro_batch, const at::Tensor& grad_output_xd) {
  Held held = std::move(held_.at(micro_batch));
  held_.erase(micro_batch);
  if (!held.root.defined()) held = Compute(micro_batch, held.input_xd);
  std::vector<at::Tensor> roots = {held.root};
  std::vector<at::Tensor> gradients = {grad_output_xd.defined() ? grad_output_xd
                                                                : at::ones_like(held.root)};
  const double alpha = chunk_.model->config().moe().balance_loss_alpha();
  for (const at::Tensor& loss : held.balance) {
    roots.push_back(loss);
    gradients.push_back(at::full({}, alpha / work_.denominators.balance, loss.options()));
  }
  torch::autograd::backward(roots, gradients);
  return held.input_xd.defined() ? held.input_xd.grad() : at::Tensor();
}

at::Tensor ChunkTrainer::Backward(int micro_batch, const at::Tensor& grad_output_xd) {
  at::Tensor grad_input_xd;
  GradientBuffers buffers = NoBuffers();
  {
    GradientPlaces places;
    PlaceGradients(buffers, places);
    grad_input_xd = RunBackward(micro_batch, grad_output_xd);
  }
  CollectGradients(micro_batch, std::move(buffers));
  return grad_input_xd;
}

at::Tensor ChunkTrainer::InputGradient(int micro_batch, const at::Tensor& grad_output_xd) {
  Deferred& later = deferred_[micro_batch];
  at::Tensor grad_input_xd;
  {
    DeferredWeightGradients putting_off;
    grad_input_xd = RunBackward(micro_batch, grad_output_xd);
    later.work = putting_off.Take();
  }
  // Other micro-batches may come before the second half.
  for (Parameter& parameter : chunk_.model->parameters()) {
    for (at::Tensor& leaf : parameter.leaves) {
      if (leaf.grad().defined()) later.done.emplace_back(leaf, std::move(leaf.mutable_grad()));
      leaf.mutable_grad().reset();
    }
  }
  return grad_input_xd;
}

void ChunkTrainer::WeightGradient(int micro_batch) {
  Deferred later = std::move(deferred_.at(micro_batch));
  deferred_.erase(micro_batch);
  for (auto& [leaf, gradient] : later.done) leaf.mutable_grad() = std::move(gradient);
  GradientBuffers buffers = NoBuffers();
  {
    GradientPlaces places;
    PlaceGradients(buffers, places);
    ComputeWeightGradients(std::move(later.work));
  }
  CollectGradients(micro_batch, std::move(buffers));
}

// The replica whose micro-batches a source's gradients come from.
int ChunkTrainer::SourceReplica(const FlatGroup& group, int source) const {
  const Layout& layout = chunk_.stage.groups.layout;
  return group.placement == Placement::kExpertSharded
             ? source * layout.data_parallel + layout.data_rank
             : layout.replica();
}

ChunkTrainer::GradientBuffers ChunkTrainer::NoBuffers() const {
  GradientBuffers buffers;
  for (const FlatGroup& group : chunk_.store->groups()) buffers.emplace_back(group.num_sources);
  return buffers;
}

// The buffer for the gradients of a micro-batch, made when the first is written: by then backward
// has left the largest of its scratch memory, the logits, behind.
at::Tensor ChunkTrainer::Buffer(GradientBuffers& buffers, size_t group, int source) {
  at::Tensor& flat = buffers[group][source];
  if (flat.defined()) return flat;
  if (free_[group].empty()) {
    const FlatGroup& of = chunk_.store->groups()[group];
    flat = at::empty({of.gradient_size()}, of.values.options());
  } else {
    flat = std::move(free_[group].back());
    free_[group].pop_back();
  }
  return flat;
}

void ChunkTrainer::PlaceGradients(GradientBuffers& buffers, GradientPlaces& places) {
  for (size_t g = 0; g < buffers.size(); ++g) {
    FlatGroup& group = chunk_.store->groups()[g];
    for (int source = 0; source < group.num_sources; ++source) {
      ParameterStore::PlaceGradients(
          group, source, [this, &buffers, g, source] { return Buffer(buffers, g, source); },
          places);
    }
  }
}

// The leaves' gradients of a micro-batch, in its buffers.
void ChunkTrainer::CollectGradients(int micro_batch, GradientBuffers buffers) {
  const Layout& layout = chunk_.stage.groups.layout;
  const int64_t replicas = layout.num_replicas();
  const int64_t round = work_.micro_batch_of[micro_batch] / replicas;
  for (size_t g = 0; g < trees_.size(); ++g) {
    FlatGroup& group = chunk_.store->groups()[g];
    std::vector<at::Tensor> sources;  // if all replicas are at a micro-batch now
    for (int source = 0; source < group.num_sources; ++source) {
      at::Tensor flat = Buffer(buffers, g, source);
      buffers[g][source].reset();
      ParameterStore::TakeGradients(group, source, flat);
      const int64_t theirs = round * replicas + SourceReplica(group, source);
      if (layout.reduces_each_micro_batch()) {
        sources.push_back(std::move(flat));
      } else if (theirs < static_cast<int64_t>(work_.micro_batches.size())) {
        trees_[g][source].Add(std::move(flat), free_[g]);
      } else {
        free_[g].push_back(std::move(flat));
      }
    }
    if (layout.reduces_each_micro_batch())
      AddToShard(g, ReduceSources(group, std::move(sources), group.holders->size()));
  }
}

void ChunkTrainer::AddToShard(size_t group, const at::Tensor& gradient) {
  if (group == shards_.size()) {
    shards_.push_back(gradient);
  } else {
    shards_[group].add_(gradient);
  }
}

// Collective over the group's holders. This rank's shard of the sum over sources and holders.
at::Tensor ChunkTrainer::ReduceSources(FlatGroup& group, std::vector<at::Tensor> sources,
                                       int num_present) {
  const auto reduce = [&](const at::Tensor& sum) {
    return chunk_.store->ReduceToShard(group, sum, num_present);
  };
  if (group.placement == Placement::kEmbedding) {
    // The ends of the model are added last, be they on one rank or on two.
    at::Tensor shard = reduce(sources[0]);
    for (size_t end = 1; end < sources.size(); ++end) shard.add_(reduce(sources[end]));
    return shard;
  }
  if (group.slot_values.defined()) return reduce(chunk_.slots->GatherGradients(sources));
  std::erase_if(sources, [](const at::Tensor& sum) { return !sum.defined(); });
  return reduce(sources.empty() ? at::Tensor() : TreeSum(std::move(sources)));
}

void ChunkTrainer::Reduce() {
  if (chunk_.stage.groups.layout.reduces_each_micro_batch()) return;  // they are
  const auto num_micro_batches = static_cast<int64_t>(work_.micro_batches.size());
  for (size_t g = 0; g < trees_.size(); ++g) {
    FlatGroup& group = chunk_.store->groups()[g];
    // A micro-batch's holders are together, so those of the first micro-batches are the first.
    const int64_t of_each = chunk_.store->HoldersOfMicroBatch(group);
    const int num_present =
        static_cast<int>(std::min<int64_t>(group.holders->size(), num_micro_batches * of_each));
    free_[g].clear();
    std::vector<at::Tensor> sources;
    for (GradientTree& tree : trees_[g]) sources.push_back(tree.Finish());
    AddToShard(g, ReduceSources(group, std::move(sources), num_present));
  }
}

}  // namespace deduce
