#include "trainer/step/chunk_trainer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/backward/backward_thread.h"
#include "parallel/reduce/make_gradient_reducer.h"
#include "trainer/step/log_probs_where_weighted.h"
#include "trainer/step/step_plan.h"

namespace deduce {

bool StepWork::Uses(Head head) const {
  const std::vector<Head> heads = objective.heads();
  return std::find(heads.begin(), heads.end(), head) != heads.end();
}

ChunkTrainer::ChunkTrainer(ModelChunk& chunk, const StepWork& work)
    : chunk_(chunk),
      work_(work),
      empty_(EmptyBatch()),
      routed_layers_before_(NumRoutedLayersBefore(chunk.model->config(), chunk.model->part())),
      reducer_(MakeGradientReducer(chunk.stage.groups.layout)) {
  const auto num_micro_batches = static_cast<int64_t>(work.micro_batches.size());
  free_.resize(chunk.store->groups().size());
  early_.resize(free_.size());
  started_.resize(free_.size());
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
  const bool with_ahead = work_.Uses(Head::kNextToken);
  MicroBatchPart part = SplitForRank(whole, chunk_.stage.groups.layout, with_ahead);
  part.batch = OnDeviceOf(*chunk_.model, part.batch);
  if (with_ahead) part.ahead = OnDeviceOf(*chunk_.model, part.ahead);
  return parts_.emplace(micro_batch, std::move(part)).first->second;
}

void ChunkTrainer::Report(int micro_batch, const std::string& name, const at::Tensor& value,
                          double divisor, int64_t index, int64_t num) {
  if (!IsReal(micro_batch)) return;
  const Layout& layout = chunk_.stage.groups.layout;
  const int64_t place = work_.micro_batch_of[micro_batch] * num + index;
  work_.numbers.Add(name, place * layout.num_parts() + layout.part(), value, divisor);
}

at::Tensor ChunkTrainer::EmptyInput(int micro_batch) {
  return at::empty({Part(micro_batch).batch.num_tokens(), chunk_.model->config().hidden_size()},
                   chunk_.model->options());
}

std::vector<LossComponent> ChunkTrainer::BalanceComponents(const ForwardResult& forward) const {
  const ModelConfig& config = chunk_.model->config();
  std::vector<LossComponent> components;
  for (size_t i = 0; i < forward.balance_losses.size(); ++i) {
    components.push_back({.name = "balance_loss",
                          .sum = forward.balance_losses[i],
                          .count = kSequences,
                          .weight = config.moe().balance_loss_alpha(),
                          .index = routed_layers_before_ + static_cast<int64_t>(i),
                          .num = NumRoutedLayers(config)});
  }
  return components;
}

LossContext ChunkTrainer::ContextOf(const MicroBatchPart& part,
                                    const ForwardResult& forward) const {
  const RankGroups& groups = chunk_.stage.groups;
  LossContext context({groups.tensor.get(), groups.context.get()});
  for (const Head head : work_.objective.heads()) {
    const bool ahead = head == Head::kNextToken;
    const PackedBatch& batch = ahead ? part.ahead : part.batch;
    context.Add(
        head, batch,
        LogProbsWhereWeighted(*chunk_.model, ahead ? forward.mtp_hidden_xd : forward.hidden_xd,
                              batch, work_.objective.temperature()));
  }
  return context;
}

double ChunkTrainer::Divisor(const LossComponent& component) const {
  const auto count = work_.counts.find(component.count);
  TORCH_CHECK(count != work_.counts.end() && count->second > 0, "ChunkTrainer: found ",
              count == work_.counts.end() ? "no count" : "a count of 0", " of ", component.count,
              ", expected a positive one for ", component.name);
  return count->second * static_cast<double>(component.num);
}

ChunkTrainer::Held ChunkTrainer::Compute(int micro_batch, const at::Tensor& input_xd) {
  Held held{.has_graph = true};
  if (input_xd.defined()) held.input_xd = input_xd.detach().requires_grad_(true);
  const MicroBatchPart& part = Part(micro_batch);
  const ForwardResult forward =
      chunk_.model->Forward(part.batch, work_.Uses(Head::kNextToken), held.input_xd,
                            work_.recompute == LayoutConfig::selective, part.share.get());
  held.components = BalanceComponents(forward);
  if (chunk_.model->part().last) {
    LossTerms terms = work_.objective(ContextOf(part, forward));
    for (LossComponent& component : terms.components)
      held.components.push_back(std::move(component));
    for (const auto& [name, value] : terms.metric_sums) Report(micro_batch, name, value);
  } else {
    held.output_xd = forward.x_xd;
  }
  for (const LossComponent& component : held.components) {
    Report(micro_batch, StepWork::LossNumber(component.name), component.sum, Divisor(component),
           component.index, component.num);
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
  return (held_[micro_batch] = Compute(micro_batch, input_xd)).output_xd.detach();
}

at::Tensor ChunkTrainer::RunBackward(int micro_batch, const at::Tensor& grad_output_xd) {
  Held held = std::move(held_.at(micro_batch));
  held_.erase(micro_batch);
  if (!held.has_graph) held = Compute(micro_batch, held.input_xd);
  std::vector<at::Tensor> roots, gradients;
  if (held.output_xd.defined()) {
    roots.push_back(held.output_xd);
    gradients.push_back(grad_output_xd);
  }
  for (const LossComponent& component : held.components) {
    roots.push_back(component.sum);
    gradients.push_back(
        at::full({}, component.weight / Divisor(component), component.sum.options()));
  }
  const BackwardOnThisThread on_this_thread;
  torch::autograd::backward(roots, gradients);
  return held.input_xd.defined() ? held.input_xd.grad() : at::Tensor();
}

at::Tensor ChunkTrainer::Backward(int micro_batch, const at::Tensor& grad_output_xd) {
  at::Tensor grad_input_xd;
  GradientBuffers buffers = NoBuffers();
  {
    GradientPlaces places;
    PlaceGradients(buffers, places);
    const auto early = StartEarly(micro_batch, buffers);
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
      deduce::PlaceGradients(
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
      if (IsReal(micro_batch) && !early_[g].is_added.empty()) {
        for (size_t p = 0; p < group.parameters.size(); ++p) AddFinalGradient(g, p, flat);
        continue;
      }
      TakeGradients(group, source, flat);
      const int64_t theirs = round * replicas + SourceReplica(group, source);
      if (layout.reduces_each_micro_batch()) {
        sources.push_back(std::move(flat));
      } else if (theirs < static_cast<int64_t>(work_.micro_batches.size())) {
        trees_[g][source].Add(std::move(flat), free_[g]);
      } else {
        free_[g].push_back(std::move(flat));
      }
    }
    if (!layout.reduces_each_micro_batch()) continue;
    StartSums(g, std::move(sources), group.holders->size());
    FinishSums(g);
  }
}

// In the last backward of a step, hooks that add gradients to their sums and start these over ranks
// as soon as parts of them are final. Of groups that have the communicator of their holders to
// themselves, so that all holders start sums in the same order.
std::vector<std::unique_ptr<FinalGradients>> ChunkTrainer::StartEarly(int micro_batch,
                                                                      GradientBuffers& buffers) {
  std::vector<std::unique_ptr<FinalGradients>> hooks;
  // Recomputation runs backward several times, each of which makes gradients final.
  if (!reducer_->starts_early() || !IsReal(micro_batch) || work_.recompute != LayoutConfig::none)
    return hooks;
  for (size_t g = 0; g < trees_.size(); ++g) {
    FlatGroup& group = chunk_.store->groups()[g];
    const bool has_its_own = group.placement != Placement::kEmbedding && group.num_sources == 1 &&
                             !group.slot_values.defined();
    if (!has_its_own || !trees_[g][0].at_last()) continue;
    early_[g].is_added.assign(group.parameters.size(), false);
    hooks.push_back(
        std::make_unique<FinalGradients>(group, 0, [this, &buffers, g](size_t parameter) {
          AddFinalGradient(g, parameter, Buffer(buffers, g, 0));
        }));
  }
  return hooks;
}

// Adds the last gradient of a parameter to those before, unless that has been done.
void ChunkTrainer::AddFinalGradient(size_t group, size_t parameter, at::Tensor flat) {
  EarlySum& early = early_[group];
  if (early.is_added[parameter]) return;
  early.is_added[parameter] = true;
  FlatGroup& of = chunk_.store->groups()[group];
  GradientTree& tree = trees_[group][0];
  if (!early.reduction) {
    early.reduction =
        reducer_->Begin(chunk_.store->SharesOf(of), tree.AddLast(flat), NumPresent(of));
  }
  const ElementRun run = TakeGradient(of, parameter, 0, flat);
  tree.MergeLast(run.begin, run.end);
  early.reduction->MarkFinal(run.begin, run.end);
}

// How many of a group's holders had a micro-batch: the first ones, for the holders of a micro-batch
// are together.
int ChunkTrainer::NumPresent(const FlatGroup& group) const {
  const auto num_micro_batches = static_cast<int64_t>(work_.micro_batches.size());
  return static_cast<int>(std::min<int64_t>(
      group.holders->size(), num_micro_batches * chunk_.store->HoldersOfMicroBatch(group)));
}

// Collective over the group's holders. Starts the sum over sources and holders.
void ChunkTrainer::StartSums(size_t g, std::vector<at::Tensor> sources, int num_present) {
  const FlatGroup& group = chunk_.store->groups()[g];
  std::vector<at::Tensor> gradients;
  if (group.placement == Placement::kEmbedding) {
    // The ends of the model are added last, be they on one rank or on two.
    gradients = std::move(sources);
  } else if (group.slot_values.defined()) {
    gradients.push_back(chunk_.slots->GatherGradients(sources));
  } else {
    std::erase_if(sources, [](const at::Tensor& sum) { return !sum.defined(); });
    gradients.push_back(sources.empty() ? at::Tensor() : TreeSum(std::move(sources)));
  }
  for (at::Tensor& gradient : gradients) {
    started_[g].push_back(
        reducer_->Begin(chunk_.store->SharesOf(group), std::move(gradient), num_present));
    started_[g].back()->Start();
  }
}

void ChunkTrainer::Reduce() {
  if (chunk_.stage.groups.layout.reduces_each_micro_batch()) return;  // they are
  for (size_t g = 0; g < trees_.size(); ++g) {
    free_[g].clear();
    std::vector<at::Tensor> sources;
    for (GradientTree& tree : trees_[g]) sources.push_back(tree.Finish());
    if (early_[g].reduction) {
      started_[g].push_back(std::move(early_[g].reduction));
      started_[g].back()->Start();
    } else {
      StartSums(g, std::move(sources), NumPresent(chunk_.store->groups()[g]));
    }
  }
}

// Groups are finished in their order, the first time and every other.
void ChunkTrainer::FinishSums(size_t group) {
  for (const std::unique_ptr<GradientReduction>& sum : started_[group]) {
    at::Tensor gradient = sum->Finish();
    if (group == shards_.size()) {
      shards_.push_back(std::move(gradient));
    } else {
      shards_[group].add_(gradient);
    }
  }
  started_[group].clear();
}

void ChunkTrainer::FinishSums() {
  for (size_t g = 0; g < started_.size(); ++g) FinishSums(g);
}

}  // namespace deduce
