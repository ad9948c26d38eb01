#include "trainer/forecast/cost_model.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "trainer/forecast/memory.h"

namespace deduce {
namespace {

// FLOPs of each kind of step of a rank.
struct MeanFlops {
  double forward = 0;
  double input_gradient = 0;   // backwards and input gradients by themselves
  double joined_gradient = 0;  // weight gradients within those backwards
  double weight_gradient = 0;
  double overlapped = 0;
};

void AddStep(const Schedule& schedule, int rank, const Step& step,
             const std::vector<StageFlops>& flops, MeanFlops& sum) {
  for (const Action* action : {&step.first, step.second ? &*step.second : nullptr}) {
    if (action == nullptr) continue;
    const StageFlops& stage = flops.at(StageOf(schedule, rank, *action));
    const bool forward = action->work == Work::kForward;
    if (step.second) {
      sum.overlapped += forward ? stage.forward : stage.input_gradient + stage.weight_gradient;
    } else if (forward) {
      sum.forward += stage.forward;
    } else if (action->work == Work::kWeightGradient) {
      sum.weight_gradient += stage.weight_gradient;
    } else {
      sum.input_gradient += stage.input_gradient;
      if (action->work == Work::kBackward) sum.joined_gradient += stage.weight_gradient;
    }
  }
}

// Over all ranks, or of one of them alone.
MeanFlops MeanOverRanks(const Schedule& schedule, const std::vector<StageFlops>& flops, int begin,
                        int end) {
  MeanFlops mean;
  for (int rank = begin; rank < end; ++rank) {
    for (const Step& step : schedule.ranks[rank]) AddStep(schedule, rank, step, flops, mean);
  }
  for (double* sum : {&mean.forward, &mean.input_gradient, &mean.joined_gradient,
                      &mean.weight_gradient, &mean.overlapped})
    *sum /= end - begin;
  return mean;
}

absl::Status CheckTime(const char* field, bool given, bool has_work) {
  if (given == has_work) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "plan.calibration.", field, ": found ", given ? "a time" : "nothing", ", expected ",
      has_work ? "the time of such work, which the schedule has"
               : "none: the schedule has no such work"));
}

}  // namespace

CostModel::CostModel(const RunConfig& config, const ClusterConfig& cluster, const Layout& layout,
                     const std::vector<ModelPart>& parts)
    : config_(config),
      cluster_(cluster),
      layout_(layout),
      expert_parallel_(layout.expert_parallel),
      num_replicas_(layout.num_replicas()),
      context_parallel_(layout.context_parallel),
      tensor_parallel_(layout.tensor_parallel),
      num_shares_(layout.num_parts()),
      parts_(parts) {
  const double rate = 1 / (cluster.peak_tflops() * 1e12 * cluster.efficiency());
  rates_ = {rate, rate, rate, rate};
}

absl::StatusOr<CostModel> CostModel::Make(const RunConfig& config, const ClusterConfig& cluster,
                                          const Layout& layout,
                                          const std::vector<ModelPart>& parts) {
  CostModel model(config, cluster, layout, parts);
  const int given = config.plan().stage_seconds_size();
  if (given != 0 && given != static_cast<int>(parts.size())) {
    return absl::InvalidArgumentError(absl::StrCat("plan.stage_seconds: found ", given,
                                                   " of them, expected one for each of the ",
                                                   parts.size(), " stages of the pipeline"));
  }
  if (config.plan().has_calibration()) RETURN_IF_ERROR(model.Calibrate(layout));
  return model;
}

// Rows of other ranks' experts go out and come back: a token's hidden state for each choice, or
// once for each group of experts that routing is limited to, with topk_group of them.
double CostModel::SecondsOfExperts(const ModelPart& part, double tokens) const {
  const ModelConfig& model = config_.model();
  if (expert_parallel_ == 1 || !model.has_moe()) return 0;
  const MoeConfig& moe = model.moe();
  const int64_t last = part.first_layer + part.num_layers;
  const int64_t first = std::max(part.first_layer, moe.first_k_dense_replace());
  const int64_t modules = part.last ? model.num_nextn_predict_layers() : 0;
  const double layers = static_cast<double>(std::max<int64_t>(0, last - first) + modules);
  const double bandwidth = BandwidthAmong(expert_parallel_);
  const double copies =
      static_cast<double>(moe.n_group() > 1 ? std::min(moe.topk_group(), moe.num_experts_per_tok())
                                            : moe.num_experts_per_tok());
  const double bytes = config_.plan().activation_bytes() * static_cast<double>(model.hidden_size());
  return layers * tokens * copies * 2 * bytes / bandwidth;
}

// Bytes a second between ranks of a group of neighbours.
double CostModel::BandwidthAmong(int ranks) const {
  const bool one_node = !cluster_.has_ranks_per_node() || ranks <= cluster_.ranks_per_node();
  return 1e9 * (one_node ? cluster_.node_gb_per_second() : cluster_.network_gb_per_second());
}

// Keys and values of the heads here go round among context ranks, a block in each hop, behind the
// attention over the block at hand: what is longer than that shows. In backward, which takes twice
// as long, sums of a block's gradients follow a hop behind, and the last hop brings them home
// behind nothing. Gathered keys are there before. attention: FLOPs of this rank's queries over all
// blocks, in the part's layers.
CostModel::RingSeconds CostModel::SecondsOfKeys(const ModelPart& part, double tokens,
                                                double attention) const {
  if (context_parallel_ == 1) return {};
  const double layers = static_cast<double>(AttentionLayers(config_.model(), part));
  const bool again = config_.layout().recompute() != LayoutConfig::none;
  const double block =
      tokens / num_shares_ * KeyBytes(config_) / BandwidthAmong(static_cast<int>(num_shares_));
  if (config_.layout().context_keys() == LayoutConfig::gathered) {  // nothing is hidden
    const double gathered = layers * (context_parallel_ - 1) * block;
    return {gathered, gathered * (again ? 2 : 1)};
  }
  const double work = attention / std::max(1.0, layers) / context_parallel_ * rates_.forward;
  const auto shown = [](double sent, double hidden) { return std::max(0.0, sent - hidden); };
  const double forward = (context_parallel_ - 1) * shown(block, work);
  const double backward =
      2 * shown(block, 2 * work) + (context_parallel_ - 2) * shown(2 * block, 2 * work) + block;
  return {layers * forward, layers * (backward + (again ? forward : 0))};
}

// Inputs of split layers come in from other tensor ranks, and parts of sums go out; in backward the
// other way round.
double CostModel::SecondsOfPieces(const ModelPart& part, double tokens) const {
  const double others = 1 - 1 / tensor_parallel_;
  const TensorAxisBytes bytes = TensorAxisBytesOf(config_, part);
  return others * tokens / context_parallel_ * (bytes.attention + bytes.dense + bytes.summed) /
         BandwidthAmong(static_cast<int>(tensor_parallel_));
}

std::vector<StageFlops> CostModel::FlopsOf(const MicroBatchShape& shape) const {
  const double tokens = shape.tokens / num_shares_;
  const LayoutConfig::Recompute recompute = config_.layout().recompute();
  std::vector<StageFlops> stages;
  for (const ModelPart& part : parts_) {
    const PartFlops flops = ForwardFlops(config_.model(), part, shape.sequence_length);
    const double products = flops.products * tokens;
    const double attention = flops.attention * tokens;
    const double forward = products + attention;
    const double again = recompute == LayoutConfig::full ? forward
                         : recompute == LayoutConfig::selective
                             ? flops.attention_products * tokens + attention
                             : 0;
    stages.push_back({.forward = forward,
                      .input_gradient = products + 2 * attention + again,
                      .weight_gradient = products});
    if (calibrated_) continue;
    const double sent = SecondsOfExperts(part, tokens) + SecondsOfPieces(part, shape.tokens);
    const RingSeconds keys = SecondsOfKeys(part, shape.tokens, attention);
    stages.back().forward_sent = sent + keys.forward;
    stages.back().backward_sent = sent + keys.backward;
  }
  return stages;
}

ScheduleCosts CostModel::Costs(const MicroBatchShape& shape) const {
  ScheduleCosts costs = config_.plan().stage_seconds_size() > 0 ? MeasuredCosts() : CostsOf(shape);
  costs.transfer_bytes = shape.tokens / num_shares_ *
                         static_cast<double>(config_.model().hidden_size()) *
                         config_.plan().activation_bytes();
  costs.transfer = cluster_.network_latency_seconds() +
                   costs.transfer_bytes / (cluster_.network_gb_per_second() * 1e9);
  costs.cores = cluster_.cores() / (num_replicas_ * num_shares_);
  AddShards(costs);
  return costs;
}

// The part of each stage's weights that this rank does not own comes in before they are used, and
// as much of a micro-batch's gradient goes out after it. A stage whose schedule allows it has one
// copy.
void CostModel::AddShards(ScheduleCosts& costs) const {
  const double bandwidth = BandwidthAmong(static_cast<int>(num_replicas_ * num_shares_));
  for (size_t s = 0; s < parts_.size(); ++s) {
    const StageWeights weights =
        WeightsOf(SizeOfPart(config_.model(), parts_[s]), layout_, /*copies=*/1);
    const double seconds = (weights.all() - weights.owned) / bandwidth;
    if (layout_.shards_weights()) costs.stages[s].gather = seconds * config_.plan().weight_bytes();
    if (!layout_.reduces_each_micro_batch()) continue;
    const double reduced = seconds * config_.plan().gradient_bytes();
    costs.stages[s].backward += reduced;
    costs.stages[s].weight_gradient += reduced;
    for (std::vector<double>& of_forward : costs.overlapped_stages) of_forward[s] += reduced;
  }
}

ScheduleCosts CostModel::MeasuredCosts() const {
  ScheduleCosts costs;
  for (const StageSecondsConfig& stage : config_.plan().stage_seconds()) {
    costs.stages.push_back({.forward = stage.forward(),
                            .backward = stage.backward(),
                            .input_gradient = stage.input_gradient(),
                            .weight_gradient = stage.weight_gradient()});
  }
  return costs;
}

ScheduleCosts CostModel::CostsOf(const MicroBatchShape& shape) const {
  const std::vector<StageFlops> flops = FlopsOf(shape);
  ScheduleCosts costs;
  for (const StageFlops& of : flops) {
    const double input = of.input_gradient * rates_.input_gradient + of.backward_sent;
    const double weight = of.weight_gradient * rates_.weight_gradient;
    costs.stages.push_back({.forward = of.forward * rates_.forward + of.forward_sent,
                            .backward = input + weight,
                            .input_gradient = input,
                            .weight_gradient = weight});
  }
  for (const StageFlops& f : flops) {
    costs.overlapped_stages.emplace_back();
    for (const StageFlops& b : flops) {
      const double work = (f.forward + b.input_gradient + b.weight_gradient) * rates_.overlapped;
      costs.overlapped_stages.back().push_back(std::max(work, f.forward_sent + b.backward_sent));
    }
  }
  return costs;
}

absl::Status CostModel::Calibrate(const Layout& layout) {
  calibrated_ = true;
  const CalibrationConfig& measured = config_.plan().calibration();
  const double length = static_cast<double>(measured.sequence_length());
  const double tokens = measured.has_micro_batch_tokens()
                            ? static_cast<double>(measured.micro_batch_tokens())
                            : length;
  const std::vector<StageFlops> flops = FlopsOf({tokens, length});
  const int ranks = layout.pipeline_parallel;
  const int64_t found = measured.micro_batches();
  const int padded = layout.Padded(static_cast<int>(found));
  if (padded != found) {
    return absl::InvalidArgumentError(absl::StrCat("plan.calibration.micro_batches: found ", found,
                                                   ", expected a number that schedule ",
                                                   layout.schedule, " can have, as ", padded));
  }
  const Schedule schedule = layout.Pipeline(padded);
  const int first = measured.has_rank() ? static_cast<int>(measured.rank()) : 0;
  const MeanFlops mean =
      MeanOverRanks(schedule, flops, first, measured.has_rank() ? first + 1 : ranks);
  RETURN_IF_ERROR(CheckTime("weight_gradient_seconds", measured.has_weight_gradient_seconds(),
                            mean.weight_gradient > 0));
  RETURN_IF_ERROR(
      CheckTime("overlapped_seconds", measured.has_overlapped_seconds(), mean.overlapped > 0));
  const double backward = measured.backward_seconds();
  rates_.forward = measured.forward_seconds() / mean.forward;
  if (mean.weight_gradient > 0) {
    rates_.weight_gradient = measured.weight_gradient_seconds() / mean.weight_gradient;
    rates_.input_gradient =
        (backward - mean.joined_gradient * rates_.weight_gradient) / mean.input_gradient;
  } else {  // no time of its own: both parts of a backward at one rate
    rates_.weight_gradient = backward / (mean.input_gradient + mean.joined_gradient);
    rates_.input_gradient = rates_.weight_gradient;
  }
  if (rates_.input_gradient <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan.calibration.backward_seconds: found ", measured.backward_seconds(),
                     ", expected more than the weight gradients in it take"));
  }
  if (mean.overlapped > 0) rates_.overlapped = measured.overlapped_seconds() / mean.overlapped;
  return absl::OkStatus();
}

}  // namespace deduce
