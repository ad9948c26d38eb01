#include "trainer/training_stage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "trainer/step_plan.h"
#include "trainer/weighted_log_probs.h"

namespace deduce {

MtpTargets ShiftTargets(const PackedBatch& batch) {
  MtpTargets shifted{at::zeros_like(batch.targets_x), at::zeros_like(batch.weights_x)};
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const int64_t begin = batch.sequence_starts[s];
    const int64_t count = batch.sequence_starts[s + 1] - begin - 1;
    if (count <= 0) continue;
    shifted.targets_x.narrow(0, begin, count).copy_(batch.targets_x.narrow(0, begin + 1, count));
    shifted.weights_x.narrow(0, begin, count).copy_(batch.weights_x.narrow(0, begin + 1, count));
  }
  return shifted;
}

TrainingStage::TrainingStage(ModelChunk& chunk, const StepWork& work)
    : chunk_(chunk),
      work_(work),
      empty_(EmptyBatch()),
      routed_layers_before_(NumRoutedLayersBefore(chunk.model->config(), chunk.model->part())) {
  const auto num_micro_batches = static_cast<int64_t>(work.micro_batches.size());
  for (const FlatGroup& group : chunk.store->groups()) {
    trees_.emplace_back();
    for (int source = 0; source < group.num_sources; ++source) {
      trees_.back().emplace_back(num_micro_batches, SourceReplica(group, source),
                                 chunk.stage.groups.layout.num_replicas());
    }
  }
}

bool TrainingStage::IsReal(int micro_batch) const {
  return work_.micro_batch_of.at(micro_batch) < static_cast<int64_t>(work_.micro_batches.size());
}

const PackedBatch& TrainingStage::Batch(int micro_batch) const {
  return IsReal(micro_batch) ? work_.micro_batches[work_.micro_batch_of[micro_batch]] : empty_;
}

void TrainingStage::Report(int micro_batch, const std::string& name, double value) {
  if (IsReal(micro_batch)) work_.numbers.Add(name, work_.micro_batch_of[micro_batch], value);
}

at::Tensor TrainingStage::EmptyInput(int micro_batch) {
  return at::empty({Batch(micro_batch).num_tokens(), chunk_.model->config().hidden_size()});
}

at::Tensor TrainingStage::Loss(int micro_batch, const ForwardResult& forward) {
  const PackedBatch& batch = Batch(micro_batch);
  const LossTerms terms =
      work_.loss(batch, WeightedLogProbs(*chunk_.model, forward.hidden_xd, batch.targets_x,
                                         batch.weights_x, work_.loss.temperature()));
  at::Tensor loss = terms.sum / work_.denominators.main;
  Report(micro_batch, "step/loss", terms.sum.item<double>());
  if (work_.denominators.mtp > 0) {
    const MtpTargets mtp = ShiftTargets(batch);
    const TokenLogProbs log_probs =
        WeightedLogProbs(*chunk_.model, forward.mtp_hidden_xd, mtp.targets_x, mtp.weights_x);
    const at::Tensor sum = -(log_probs.log_prob_t * mtp.weights_x).sum();
    loss = loss + sum * (work_.mtp_loss_weight / work_.denominators.mtp);
    Report(micro_batch, "step/mtp_loss", sum.item<double>());
  }
  for (const auto& [name, value] : terms.metric_sums) Report(micro_batch, name, value);
  return loss;
}

TrainingStage::Held TrainingStage::Compute(int micro_batch, const at::Tensor& input_xd) {
  Held held;
  if (input_xd.defined()) held.input_xd = input_xd.detach().requires_grad_(true);
  ForwardResult forward =
      chunk_.model->Forward(Batch(micro_batch), work_.denominators.mtp > 0, held.input_xd,
                            work_.recompute == LayoutConfig::selective);
  held.root = chunk_.model->part().last ? Loss(micro_batch, forward) : forward.x_xd;
  held.balance = std::move(forward.balance_losses);
  if (!IsReal(micro_batch)) return held;
  const int64_t layers = NumRoutedLayers(chunk_.model->config());
  for (size_t i = 0; i < held.balance.size(); ++i) {
    const int64_t layer = routed_layers_before_ + static_cast<int64_t>(i);
    work_.numbers.Add("step/balance_loss", work_.micro_batch_of[micro_batch] * layers + layer,
                      held.balance[i].item<double>());
  }
  return held;
}

at::Tensor TrainingStage::Forward(int micro_batch, const at::Tensor& input_xd) {
  if (chunk_.model->part().last) {  // its backward comes next: nothing to be saved
    held_[micro_batch] = Compute(micro_batch, input_xd);
    return {};
  }
  if (work_.recompute == LayoutConfig::full) {
    // Without gradients experts' loads and losses are not counted; the second forward does.
    const c10::NoGradGuard no_grad;
    held_[micro_batch].input_xd = input_xd;
    return chunk_.model->Forward(Batch(micro_batch), /*with_mtp=*/false, input_xd).x_xd;
  }
  return (held_[micro_batch] = Compute(micro_batch, input_xd)).root.detach();
}

at::Tensor TrainingStage::RunBackward(int micro_batch, const at::Tensor& grad_output_xd) {
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

at::Tensor TrainingStage::Backward(int micro_batch, const at::Tensor& grad_output_xd) {
  const at::Tensor grad_input_xd = RunBackward(micro_batch, grad_output_xd);
  CollectGradients(micro_batch);
  return grad_input_xd;
}

at::Tensor TrainingStage::InputGradient(int micro_batch, const at::Tensor& grad_output_xd) {
  PutOff& later = put_off_[micro_batch];
  at::Tensor grad_input_xd;
  {
    PutOffWeightGradients putting_off;
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

void TrainingStage::WeightGradient(int micro_batch) {
  PutOff later = std::move(put_off_.at(micro_batch));
  put_off_.erase(micro_batch);
  for (auto& [leaf, gradient] : later.done) leaf.mutable_grad() = std::move(gradient);
  ComputeWeightGradients(std::move(later.work));
  CollectGradients(micro_batch);
}

// The replica whose micro-batches a source's gradients come from.
int TrainingStage::SourceReplica(const FlatGroup& group, int source) const {
  const Layout& layout = chunk_.stage.groups.layout;
  return group.placement == Placement::kExpertSharded
             ? source * layout.data_parallel + layout.data_rank
             : layout.replica();
}

void TrainingStage::CollectGradients(int micro_batch) {
  const int64_t replicas = chunk_.stage.groups.layout.num_replicas();
  const int64_t round = work_.micro_batch_of[micro_batch] / replicas;
  for (size_t g = 0; g < trees_.size(); ++g) {
    FlatGroup& group = chunk_.store->groups()[g];
    at::Tensor flat = at::empty({group.gradient_size()});
    for (int source = 0; source < group.num_sources; ++source) {
      ParameterStore::TakeGradients(group, source, flat);
      const int64_t theirs = round * replicas + SourceReplica(group, source);
      if (theirs < static_cast<int64_t>(work_.micro_batches.size())) trees_[g][source].Add(flat);
    }
  }
}

void TrainingStage::Reduce() {
  const auto num_micro_batches = static_cast<int64_t>(work_.micro_batches.size());
  for (size_t g = 0; g < trees_.size(); ++g) {
    FlatGroup& group = chunk_.store->groups()[g];
    const int num_present =
        static_cast<int>(std::min<int64_t>(group.holders->size(), num_micro_batches));
    const auto reduce = [&](const at::Tensor& class_sum) {
      return chunk_.store->ReduceToShard(group, class_sum, num_present);
    };
    std::vector<at::Tensor> sources;
    for (GradientTree& tree : trees_[g]) sources.push_back(tree.Finish());
    if (group.placement == Placement::kEmbedding) {
      // The ends of the model are added last, be they on one rank or on two.
      shards_.push_back(reduce(sources[0]));
      for (size_t end = 1; end < sources.size(); ++end) shards_.back().add_(reduce(sources[end]));
      continue;
    }
    if (group.slot_values.defined()) {
      shards_.push_back(reduce(chunk_.slots->GatherGradients(sources)));
      continue;
    }
    std::erase_if(sources, [](const at::Tensor& sum) { return !sum.defined(); });
    shards_.push_back(reduce(sources.empty() ? at::Tensor() : TreeSum(std::move(sources))));
  }
}

}  // namespace deduce
