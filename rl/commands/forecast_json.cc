#include "rl/commands/forecast_json.h"

#include <nlohmann/json.hpp>

#include "rl/commands/forecast_assumptions.h"
#include "rl/commands/published_table.h"

namespace deduce {
namespace {

using nlohmann::ordered_json;

ordered_json LayoutJson(const Forecast& plan) {
  return {{"ranks", plan.layout.num_ranks},
          {"pipeline_parallel", plan.layout.pipeline_parallel},
          {"expert_parallel", plan.layout.expert_parallel},
          {"data_parallel", plan.layout.data_parallel},
          {"context_parallel", plan.layout.context_parallel},
          {"tensor_parallel", plan.layout.tensor_parallel},
          {"replicas", plan.layout.num_replicas()},
          {"schedule", plan.update.plan.schedule.name},
          {"micro_batches", plan.update.micro_batches},
          {"padding_micro_batches", plan.update.padding},
          {"sequences", plan.shape.sequences},
          {"sequence_length", plan.shape.sequence_length}};
}

ordered_json StagesJson(const Forecast& plan) {
  ordered_json stages = ordered_json::array();
  for (size_t stage = 0; stage < plan.parts.size(); ++stage) {
    const ModelPart& part = plan.parts[stage];
    stages.push_back({{"ranks", HoldersOf(plan.update.plan.schedule, static_cast<int>(stage))},
                      {"first_layer", part.first_layer},
                      {"num_layers", part.num_layers},
                      {"embedding", part.first},
                      {"head", part.last}});
  }
  return stages;
}

ordered_json MemoryJson(const Forecast& plan) {
  ordered_json ranks = ordered_json::array();
  for (const RankBytes& bytes : plan.memory) {
    ranks.push_back({{"weights", bytes.weights},
                     {"gradients", bytes.gradients},
                     {"optimizer", bytes.optimizer},
                     {"activations", bytes.activations},
                     {"total", bytes.total()}});
  }
  return {{"peak", PeakBytes(plan.memory)}, {"ranks", ranks}};
}

ordered_json TimesJson(const WorkTimes& times, double bubble) {
  return {{"forward", times.forward},
          {"backward", times.backward},
          {"weight_gradient", times.weight_gradient},
          {"overlapped", times.overlapped},
          {"bubble", bubble}};
}

ordered_json TimelineJson(const Timeline& timeline) {
  ordered_json ranks = ordered_json::array();
  for (size_t rank = 0; rank < timeline.ranks.size(); ++rank) {
    ranks.push_back(TimesJson(TimesByKind(timeline.ranks[rank]), timeline.bubble[rank]));
    ranks.back()["exposed_communication"] = timeline.exposed[rank];
    ranks.back()["bytes_sent"] = timeline.bytes_sent[rank];
  }
  return {{"makespan", timeline.makespan},
          {"mean", TimesJson(MeanTimes(timeline), MeanBubble(timeline))},
          {"ranks", ranks}};
}

ordered_json StepJson(const Forecast& plan) {
  return {{"seconds", plan.update.seconds()},
          {"optimizer_seconds", plan.update.optimizer},
          {"parameters", plan.parameters},
          {"active_parameters", plan.active_parameters},
          {"flops_per_token", plan.flops_per_token},
          {"tokens_per_second", plan.tokens_per_second},
          {"tokens_per_second_per_rank", plan.tokens_per_second / plan.layout.num_ranks},
          {"flops_per_second_per_rank", plan.tflops_per_rank * 1e12},
          {"utilization", plan.utilization}};
}

ordered_json JobJson(const JobForecast& job) {
  ordered_json stages = ordered_json::array();
  for (const GrpoStageForecast& stage : job.stages) {
    stages.push_back({{"stage", stage.name},
                      {"steps", stage.steps},
                      {"updates", stage.updates},
                      {"step_seconds", stage.step()},
                      {"rollout_seconds", stage.rollout()},
                      {"full_batch_decode_seconds", stage.full_batch_decode},
                      {"longest_decode_seconds", stage.longest_decode},
                      {"reference_seconds", stage.reference},
                      {"training_seconds", stage.training},
                      {"switch_seconds", stage.switches}});
  }
  return {{"stages", stages},
          {"hours", job.hours},
          {"rank_hours", job.rank_hours},
          {"dollars", job.dollars}};
}

}  // namespace

std::string ForecastJson(const Forecast& plan, const JobForecast& job) {
  size_t actions = 0;
  for (const std::vector<PlanAction>& rank : plan.update.plan.ranks) actions += rank.size();
  ordered_json json = {{"layout", LayoutJson(plan)},
                       {"stages", StagesJson(plan)},
                       {"proof", {{"holds", true}, {"actions", actions}}},
                       {"memory", MemoryJson(plan)},
                       {"timeline", TimelineJson(plan.update.timeline)},
                       {"step", StepJson(plan)},
                       {"cluster",
                        {{"name", plan.cluster.name()},
                         {"rank_hours_per_trillion_tokens", plan.rank_hours_per_trillion_tokens},
                         {"dollars_per_trillion_tokens", plan.dollars_per_trillion_tokens}}}};
  if (!job.stages.empty()) json["reinforcement_learning"] = JobJson(job);
  json["left_out"] = ForecastLeavesOut(plan, job);
  json["assumptions"] = ForecastAssumptions(plan, job);
  json["published"] = ordered_json::array();
  for (const PublishedRow& row : PublishedTable(plan, job)) {
    json["published"].push_back({{"name", row.name},
                                 {"unit", row.unit},
                                 {"published", row.published},
                                 {"predicted", row.predicted},
                                 {"error_percent", row.error_percent()},
                                 {"calibrated", row.calibrated},
                                 {"is_limit", row.is_limit}});
  }
  return json.dump();
}

}  // namespace deduce
