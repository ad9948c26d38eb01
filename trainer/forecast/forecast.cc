#include "trainer/forecast/forecast.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "parallel/pipeline/prove.h"
#include "trainer/forecast/cluster.h"
#include "trainer/forecast/model_size.h"

namespace deduce {
namespace {

constexpr int64_t kMaxRanks = int64_t{1} << 20;
constexpr double kMaxWork = 1 << 20;  // (stage, micro-batch) pairs: seconds of simulation

// Samples of an update.
int64_t SamplesOf(const StageConfig& stage) {
  const GrpoConfig& grpo = stage.grpo();
  switch (stage.work_case()) {
    case StageConfig::kGrpo:
      return grpo.prompts_per_step() * grpo.num_generations() / grpo.num_mini_batches();
    case StageConfig::kDistill:
      return stage.distill().prompts_per_step();
    case StageConfig::kSft:
      return stage.sft().samples_per_step();
    default:
      return stage.pretrain().samples_per_step();
  }
}

UpdateShape ShapeOf(const RunConfig& config) {
  const PlanConfig& plan = config.plan();
  const StageConfig& stage = config.stage(0);
  const int64_t samples = SamplesOf(stage);
  return {
      .sequences =
          static_cast<double>(plan.has_sequences_per_step() ? plan.sequences_per_step() : samples),
      .sequence_length = static_cast<double>(plan.has_sequence_length()
                                                 ? plan.sequence_length()
                                                 : config.model().max_position_embeddings()),
      .micro_batch_tokens = static_cast<double>(
          plan.has_micro_batch_tokens() ? plan.micro_batch_tokens() : stage.micro_batch_tokens())};
}

// Micro-batches of a replica, and how they are cut.
struct Cut {
  int needed = 0, padded = 0;
  MicroBatchShape each;
};

absl::StatusOr<Cut> CutUpdate(const Layout& layout, size_t num_stages, const UpdateShape& shape) {
  const double replicas = layout.num_replicas();
  const double needed =
      std::max(1.0, std::ceil(shape.tokens() / shape.micro_batch_tokens / replicas));
  if (needed * static_cast<double>(num_stages) > kMaxWork) {
    return absl::InvalidArgumentError(
        absl::StrCat("plan.micro_batch_tokens: found ", needed, " micro-batches through ",
                     num_stages, " pipeline stages, expected at most ", kMaxWork, " in all"));
  }
  Cut cut{.needed = static_cast<int>(needed)};
  cut.padded = layout.Padded(cut.needed);
  cut.each = {.tokens = shape.tokens() / replicas / needed,
              .sequence_length = shape.sequence_length};
  return cut;
}

// Seconds from the end of the pipeline's work to new weights everywhere, or shares of them. What
// goes over the network micro-batch by micro-batch is part of the pipeline's work.
double OptimizerSeconds(const RunConfig& config, const ClusterConfig& cluster, const Layout& layout,
                        const std::vector<RankBytes>& memory) {
  if (config.plan().has_calibration()) return config.plan().calibration().optimizer_seconds();
  const bool alone = layout.num_replicas() * layout.num_parts() == 1;
  const int times = alone ? 0 : !layout.reduces_each_micro_batch() + !layout.shards_weights();
  double most = 0;
  for (const RankBytes& rank : memory) {
    const double moved = times * rank.whole_weights;
    most = std::max(most, moved / (cluster.network_gb_per_second() * 1e9) +
                              2 * rank.optimizer / (cluster.memory_gb_per_second() * 1e9));
  }
  return most;
}

// The schedule's forwards in their order, and nothing else.
Schedule ForwardsOf(Schedule schedule) {
  for (std::vector<Step>& steps : schedule.ranks) {
    std::vector<Step> forwards;
    for (const Step& step : steps) {
      for (const Action* action : {&step.first, step.second ? &*step.second : nullptr}) {
        if (action != nullptr && action->work == Work::kForward) forwards.push_back({*action});
      }
    }
    steps = std::move(forwards);
  }
  return schedule;
}

void FillSpeed(int num_ranks, Forecast& plan) {
  plan.parameters = NumMainParameters(plan.config.model());
  plan.active_parameters = NumActiveParameters(plan.config.model());
  plan.flops_per_token = TrainingFlops(plan.config.model(), plan.shape.sequence_length);
  plan.tokens_per_second = plan.shape.tokens() / plan.update.seconds();
  plan.tflops_per_rank = plan.flops_per_token * plan.tokens_per_second / num_ranks / 1e12;
  plan.utilization = plan.tflops_per_rank / plan.cluster.peak_tflops();
  plan.rank_hours_per_trillion_tokens = 1e12 / plan.tokens_per_second * num_ranks / 3600;
  plan.dollars_per_trillion_tokens =
      plan.rank_hours_per_trillion_tokens * plan.cluster.dollars_per_rank_hour();
}

}  // namespace

absl::StatusOr<int> NumPlannedRanks(const LayoutConfig& config, int64_t asked) {
  double ranks = static_cast<double>(asked);
  if (asked == 0) {
    ranks = 1;
    for (const int64_t axis :
         {std::max<int64_t>(1, config.data_parallel()), config.expert_parallel(),
          config.pipeline_parallel(), config.context_parallel(), config.tensor_parallel()})
      ranks *= static_cast<double>(axis);
  }
  if (ranks < 1 || ranks > static_cast<double>(kMaxRanks)) {
    return absl::InvalidArgumentError(absl::StrCat(asked == 0 ? "layout" : "--ranks", ": found ",
                                                   ranks, " ranks, expected 1 to ", kMaxRanks));
  }
  return static_cast<int>(ranks);
}

absl::StatusOr<TimedUpdate> TimeUpdate(const Forecast& plan, const UpdateShape& shape) {
  ASSIGN_OR_RETURN(const Cut cut, CutUpdate(plan.layout, plan.parts.size(), shape));
  TimedUpdate update{.micro_batches = cut.padded, .padding = cut.padded - cut.needed};
  update.plan = MakePlan(plan.layout, cut.padded);
  RETURN_IF_ERROR(Prove(update.plan, {}));
  update.timeline = Simulate(update.plan.schedule, plan.costs.Costs(cut.each));
  update.optimizer = OptimizerSeconds(plan.config, plan.cluster, plan.layout, plan.memory);
  return update;
}

absl::StatusOr<double> TimeForward(const Forecast& plan, const UpdateShape& shape) {
  ASSIGN_OR_RETURN(const Cut cut, CutUpdate(plan.layout, plan.parts.size(), shape));
  return Simulate(ForwardsOf(plan.layout.Pipeline(cut.padded)), plan.costs.Costs(cut.each))
      .makespan;
}

absl::StatusOr<Forecast> MakeForecast(const RunConfig& config, int num_ranks) {
  ASSIGN_OR_RETURN(const Layout layout, MakeLayout(config.layout(), num_ranks, 0));
  const ClusterConfig cluster = CompleteCluster(config.plan().cluster());
  const UpdateShape shape = ShapeOf(config);
  ASSIGN_OR_RETURN(const std::vector<ModelPart> parts,
                   SplitModel(config.model(), layout.num_stages(), layout.stage_layers));
  ASSIGN_OR_RETURN(const Cut cut, CutUpdate(layout, parts.size(), shape));
  ASSIGN_OR_RETURN(CostModel costs, CostModel::Make(config, cluster, layout, parts));
  const Plan pipeline = MakePlan(layout, cut.padded);
  Forecast plan{.config = config,
                .cluster = cluster,
                .layout = layout,
                .parts = parts,
                .costs = std::move(costs),
                .shape = shape,
                .memory = MemoryOf(config, layout, pipeline, parts, cut.each.tokens)};
  ASSIGN_OR_RETURN(plan.update, TimeUpdate(plan, shape));
  RETURN_IF_ERROR(CheckMemory(plan.memory, cluster));
  FillSpeed(num_ranks, plan);
  return plan;
}

}  // namespace deduce
