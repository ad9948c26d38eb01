#include "trainer/step.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_copy.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "parallel/gradient_tree.h"

namespace deduce {
namespace {

PackedBatch EmptyBatch() {
  PackedBatch batch;
  batch.tokens_x = batch.positions_x = batch.targets_x = at::empty({0}, at::kLong);
  batch.weights_x = batch.advantages_x = batch.old_log_probs_x = batch.ref_log_probs_x =
      at::empty({0});
  batch.sequence_starts = {0};
  return batch;
}

// Micro-batches in the order in which this rank (and, in lock step, its expert group) works through
// them; an index beyond the last one stands for an empty batch that only keeps its peers company.
std::vector<int64_t> WorkOrder(const RankGroups& ranks, int64_t num_micro_batches) {
  const int64_t replicas = ranks.layout.num_replicas();
  const int64_t rounds = (num_micro_batches + replicas - 1) / replicas;
  std::vector<int64_t> order = TreeOrder(rounds * replicas, ranks.layout.replica(), replicas);
  if (ranks.experts->size() == 1) {
    std::erase_if(order, [&](int64_t m) { return m >= num_micro_batches; });
  }
  return order;
}

// The prediction module's targets: position i of a sequence predicts token i + 2, which is the next
// position's target.
struct MtpTargets {
  at::Tensor targets_x, weights_x;
};

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

double Sum(const at::Tensor& values_x) {
  const float* values = values_x.const_data_ptr<float>();
  double sum = 0;
  for (int64_t i = 0; i < values_x.numel(); ++i) sum += values[i];
  return sum;
}

// What the step's sums are divided by, known to every rank before any work.
struct Denominators {
  double main = 0, mtp = 0, balance = 0;
};

Denominators StepDenominators(const StepBatch& batch, const Transformer& model, bool with_mtp) {
  Denominators denominators{.main = batch.count};
  int64_t sequences = 0;
  for (const PackedBatch& micro_batch : batch.micro_batches) {
    sequences += micro_batch.num_sequences();
    if (with_mtp) denominators.mtp += Sum(ShiftTargets(micro_batch).weights_x);
  }
  denominators.balance = static_cast<double>(sequences * model.expert_load_le().size(0));
  return denominators;
}

// Log-probabilities of the targets that have a weight. The others, a prompt's above all, get 0
// where leaving them out saves more than gathering the rest costs: with a large vocabulary the head
// is a fifth of the work.
TokenLogProbs WeightedLogProbs(const Transformer& model, const at::Tensor& hidden_xd,
                               const at::Tensor& targets_x, const at::Tensor& weights_x,
                               double temperature = 1) {
  const at::Tensor index_n = at::nonzero(weights_x).flatten();
  if (2 * index_n.numel() > weights_x.numel() || weights_x.numel() == 0)
    return model.LogProbs(hidden_xd, targets_x, temperature);
  const TokenLogProbs picked = model.LogProbs(at::index_select(hidden_xd, 0, index_n),
                                              at::index_select(targets_x, 0, index_n), temperature);
  const at::Tensor zeros_x = at::zeros_like(weights_x);
  return {at::index_copy(zeros_x, 0, index_n, picked.log_prob_t),
          at::index_copy(zeros_x, 0, index_n, picked.entropy_t)};
}

// The numbers a micro-batch reports: loss, mtp, balance, then the LossFn's metrics.
struct MicroBatchNumbers {
  int64_t index = 0;
  std::vector<double> values;
  std::vector<std::string> names;
};

MicroBatchNumbers ForwardBackward(TrainState& state, const PackedBatch& batch, int64_t index,
                                  const LossFn& loss, const StepOptions& options,
                                  const Denominators& denominators) {
  const bool with_mtp = denominators.mtp > 0;
  const ForwardResult forward = state.model.Forward(batch, with_mtp);
  const LossTerms terms =
      loss(batch, WeightedLogProbs(state.model, forward.hidden_xd, batch.targets_x, batch.weights_x,
                                   loss.temperature()));
  at::Tensor total = terms.sum / denominators.main;
  MicroBatchNumbers numbers{index, {terms.sum.item<double>(), 0, 0}, {}};
  if (with_mtp) {
    const MtpTargets mtp = ShiftTargets(batch);
    const TokenLogProbs log_probs =
        WeightedLogProbs(state.model, forward.mtp_hidden_xd, mtp.targets_x, mtp.weights_x);
    const at::Tensor sum = -(log_probs.log_prob_t * mtp.weights_x).sum();
    numbers.values[1] = sum.item<double>();
    total = total + sum * (options.mtp_loss_weight / denominators.mtp);
  }
  if (forward.balance_loss_sum.defined()) {
    numbers.values[2] = forward.balance_loss_sum.item<double>();
    const double alpha = state.model.config().moe().balance_loss_alpha();
    total = total + forward.balance_loss_sum * (alpha / denominators.balance);
  }
  for (const auto& [name, value] : terms.metric_sums) {
    numbers.names.push_back(name);
    numbers.values.push_back(value);
  }
  total.backward();
  return numbers;
}

// One tree for each source of each parameter group.
using Trees = std::vector<std::vector<GradientTree>>;

// The replica whose micro-batches a source's gradients come from.
int SourceReplica(const RankGroups& ranks, const FlatGroup& group, int source) {
  if (group.holders == ranks.replicas.get()) return ranks.layout.replica();
  return source * ranks.layout.data_parallel + ranks.layout.data_rank;
}

void CollectGradients(TrainState& state, int64_t round, int64_t num_micro_batches, Trees& trees) {
  const Layout& layout = state.ranks.layout;
  for (size_t g = 0; g < trees.size(); ++g) {
    FlatGroup& group = state.store.groups()[g];
    at::Tensor flat = at::empty({group.values.numel()});
    for (int source = 0; source < group.num_sources; ++source) {
      const int replica = SourceReplica(state.ranks, group, source);
      ParameterStore::TakeGradients(group, source, flat);
      if (round * layout.num_replicas() + replica < num_micro_batches) trees[g][source].Add(flat);
    }
  }
}

// Sums over micro-batches and ranks; one tensor per group, this rank's shard.
std::vector<at::Tensor> ReduceGradients(TrainState& state, int64_t num_micro_batches,
                                        Trees& trees) {
  std::vector<at::Tensor> shards;
  for (size_t g = 0; g < trees.size(); ++g) {
    FlatGroup& group = state.store.groups()[g];
    std::vector<at::Tensor> sources;
    for (GradientTree& tree : trees[g]) {
      if (at::Tensor sum = tree.Finish(); sum.defined()) sources.push_back(sum);
    }
    const at::Tensor class_sum = sources.empty() ? at::Tensor() : TreeSum(std::move(sources));
    const int num_present =
        static_cast<int>(std::min<int64_t>(group.holders->size(), num_micro_batches));
    shards.push_back(state.store.ReduceToShard(group, class_sum, num_present));
  }
  return shards;
}

// Collective. Every rank's numbers, added over micro-batches in their global order.
void SumNumbers(Communicator& replicas, const std::vector<MicroBatchNumbers>& own,
                const Denominators& denominators, StepStats& stats) {
  std::string bytes;
  const size_t width = own.empty() ? 0 : own[0].values.size() + 1;
  for (const MicroBatchNumbers& numbers : own) {
    const double index = static_cast<double>(numbers.index);
    bytes.append(reinterpret_cast<const char*>(&index), sizeof(double));
    bytes.append(reinterpret_cast<const char*>(numbers.values.data()),
                 numbers.values.size() * sizeof(double));
  }
  std::vector<std::vector<double>> rows;
  for (const std::string& theirs : replicas.AllGatherBytes(bytes)) {
    for (size_t at = 0; width > 0 && at < theirs.size(); at += width * sizeof(double)) {
      rows.emplace_back(width);
      std::memcpy(rows.back().data(), theirs.data() + at, width * sizeof(double));
    }
  }
  std::sort(rows.begin(), rows.end());
  std::vector<double> sums(width, 0.0);
  for (const std::vector<double>& row : rows) {
    for (size_t i = 1; i < width; ++i) sums[i] += row[i];
  }
  if (width == 0) return;
  stats.loss = sums[1] / denominators.main;
  stats.mtp_loss = denominators.mtp > 0 ? sums[2] / denominators.mtp : 0;
  stats.balance_loss = denominators.balance > 0 ? sums[3] / denominators.balance : 0;
  for (size_t i = 0; i < own[0].names.size(); ++i)
    stats.metric_sums.emplace_back(own[0].names[i], sums[4 + i]);
}

// Collective. Clips by the global norm and updates, or skips when a number is not finite; the norm
// is the same on all ranks, and any non-finite gradient makes it so, hence all agree without
// another message.
void Update(TrainState& state, std::vector<at::Tensor>& shards, const StepOptions& options,
            StepStats& stats) {
  c10::NoGradGuard no_grad;
  stats.grad_norm = state.store.GlobalNorm(shards, *state.ranks.replicas);
  stats.finite = std::isfinite(stats.grad_norm);
  if (!stats.finite) return;
  const double limit = options.optimizer.max_grad_norm();
  if (limit > 0 && stats.grad_norm > limit) {
    for (at::Tensor& shard : shards) shard.mul_(limit / stats.grad_norm);
  }
  state.optimizer.Step(shards, options.learning_rate, options.optimizer);
}

// Collective. Balances experts by the whole step's load.
void BalanceExperts(TrainState& state, StepStats& stats) {
  const at::Tensor own_le =
      state.model.expert_load_le().clone();  // the next line clears the original
  state.model.ResetExpertLoad();
  if (own_le.numel() == 0) return;
  const at::Tensor load_le = AllReduceSum(*state.ranks.replicas, own_le);
  if (stats.finite)
    state.model.UpdateRoutingBias(load_le, state.model.config().moe().bias_update_speed());
  const int64_t* load = load_le.const_data_ptr<int64_t>();
  const int64_t experts = load_le.size(1);
  for (int64_t l = 0; l < load_le.size(0); ++l) {
    int64_t most = 0, sum = 0;
    for (int64_t e = 0; e < experts; ++e) {
      most = std::max(most, load[l * experts + e]);
      sum += load[l * experts + e];
    }
    if (sum > 0) {
      stats.max_over_mean_load = std::max(
          stats.max_over_mean_load, static_cast<double>(most * experts) / static_cast<double>(sum));
    }
  }
}

}  // namespace

StepStats TrainStep(TrainState& state, const StepBatch& batch, const LossFn& loss,
                    const StepOptions& options) {
  const int64_t num_micro_batches = static_cast<int64_t>(batch.micro_batches.size());
  TORCH_CHECK(batch.count > 0, "TrainStep: found count ", batch.count, ", expected a positive one");
  const bool with_mtp = loss.uses_mtp() && options.mtp_loss_weight > 0 &&
                        state.model.config().num_nextn_predict_layers() > 0;
  const Denominators denominators = StepDenominators(batch, state.model, with_mtp);
  const PackedBatch empty = EmptyBatch();

  Trees trees;
  for (const FlatGroup& group : state.store.groups()) {
    trees.emplace_back();
    for (int source = 0; source < group.num_sources; ++source) {
      trees.back().emplace_back(num_micro_batches, SourceReplica(state.ranks, group, source),
                                state.ranks.layout.num_replicas());
    }
  }
  std::vector<MicroBatchNumbers> numbers;
  StepStats stats;
  for (const int64_t m : WorkOrder(state.ranks, num_micro_batches)) {
    const bool real = m < num_micro_batches;
    MicroBatchNumbers own = ForwardBackward(state, real ? batch.micro_batches[m] : empty, m, loss,
                                            options, denominators);
    if (real) numbers.push_back(std::move(own));
    CollectGradients(state, m / state.ranks.layout.num_replicas(), num_micro_batches, trees);
  }
  for (const PackedBatch& micro_batch : batch.micro_batches)
    stats.num_tokens += micro_batch.num_tokens();
  SumNumbers(*state.ranks.replicas, numbers, denominators, stats);
  std::vector<at::Tensor> shards = ReduceGradients(state, num_micro_batches, trees);
  Update(state, shards, options, stats);
  BalanceExperts(state, stats);
  return stats;
}

std::vector<at::Tensor> ScoreTokens(Transformer& model, RankGroups& ranks,
                                    const std::vector<PackedBatch>& micro_batches,
                                    double temperature) {
  c10::NoGradGuard no_grad;
  const int64_t num_micro_batches = static_cast<int64_t>(micro_batches.size());
  const PackedBatch empty = EmptyBatch();
  std::string bytes;
  for (const int64_t m : WorkOrder(ranks, num_micro_batches)) {
    const PackedBatch& batch = m < num_micro_batches ? micro_batches[m] : empty;
    const at::Tensor hidden_xd = model.Forward(batch, /*with_mtp=*/false).hidden_xd;
    if (m >= num_micro_batches) continue;
    const at::Tensor log_prob_x =
        WeightedLogProbs(model, hidden_xd, batch.targets_x, batch.weights_x, temperature)
            .log_prob_t;
    bytes.append(reinterpret_cast<const char*>(&m), sizeof(m));
    bytes.append(reinterpret_cast<const char*>(log_prob_x.const_data_ptr<float>()),
                 log_prob_x.numel() * sizeof(float));
  }
  std::vector<at::Tensor> results(num_micro_batches);
  for (const std::string& theirs : ranks.replicas->AllGatherBytes(bytes)) {
    for (size_t at = 0; at < theirs.size();) {
      int64_t m;
      std::memcpy(&m, theirs.data() + at, sizeof(m));
      at += sizeof(m);
      results[m] = at::empty({micro_batches[m].num_tokens()});
      std::memcpy(results[m].mutable_data_ptr<float>(), theirs.data() + at, results[m].nbytes());
      at += results[m].nbytes();
    }
  }
  return results;
}

}  // namespace deduce
