#include "rl/commands/forecast_assumptions.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace deduce {
namespace {

void AddCosts(const Forecast& plan, std::vector<std::string>& list) {
  const WorkRates& rates = plan.costs.rates();
  const auto tflops = [](double seconds_of_flop) { return 1e-12 / seconds_of_flop; };
  if (plan.costs.calibrated()) {
    const CalibrationConfig& measured = plan.config.plan().calibration();
    list.push_back(absl::StrFormat(
        "costs come from the parts of a measured step of %d micro-batches a replica (sums over the "
        "step, read as %s), dealt to stages by their FLOPs: forwards "
        "alone run at %.0f TFLOPS, input gradients at %.0f, weight gradients at %.0f",
        measured.micro_batches(),
        measured.has_rank() ? absl::StrFormat("those of pipeline rank %d", measured.rank())
                            : "means over the pipeline's ranks",
        tflops(rates.forward), tflops(rates.input_gradient), tflops(rates.weight_gradient)));
    if (rates.overlapped > 0 && measured.has_overlapped_seconds())
      list.back() += absl::StrFormat(", overlapped pairs at %.0f", tflops(rates.overlapped));
    list.push_back(
        "the communication of experts is part of those rates, in proportion to FLOPs; so is the "
        "head, whose one large product may well run faster");
  } else if (plan.config.plan().stage_seconds_size() > 0) {
    list.push_back(
        "costs of the stages were measured, one at a time; the two of an overlapped pair take "
        "turns");
  } else {
    list.push_back(absl::StrFormat(
        "all products and attention run at %.3g of the peak of %g TFLOPS; nothing was measured",
        plan.cluster.efficiency(), plan.cluster.peak_tflops()));
    if (plan.layout.expert_parallel > 1) {
      list.push_back(
          "rows for experts go once to each group that routing may use (or to each expert, without "
          "groups), at the full bandwidth between ranks, hidden by work in overlapped pairs alone");
    }
    list.push_back(
        "the optimizer's time is that of moving weights and gradients once over the network, and "
        "its state twice through memory");
  }
  if (plan.cluster.has_cores()) {
    list.push_back(absl::StrFormat(
        "all ranks share %g cores: those that work at the same time have equal shares of them",
        plan.cluster.cores()));
  }
  list.push_back(
      "an input gradient has the FLOPs of a forward's products and twice its attention's, a weight "
      "gradient those of the products; causal attention counts half of the keys");
  list.push_back(absl::StrFormat(
      "activations go from stage to stage at %g GB/s after %g s, and only who waits for them loses "
      "time",
      plan.cluster.network_gb_per_second(), plan.cluster.network_latency_seconds()));
  list.push_back(
      "all ranks of a stage are equally fast, experts are chosen evenly, and reading data, "
      "checkpoints and failures take no time");
}

void AddShards(const Layout& layout, std::vector<std::string>& list) {
  if (layout.shards_weights()) {
    list.push_back(
        "a chunk's weights are gathered before the first of works in a row that read them, at the "
        "full bandwidth between ranks, hidden by nothing; rollouts gather all chunks' at once, "
        "beside no gradients and no activations, which is not counted");
  }
  if (layout.reduces_each_micro_batch()) {
    list.push_back(
        "a micro-batch's gradients go to the ranks that add them up at the full bandwidth between "
        "ranks, hidden by nothing");
  }
}

std::string SumsOfTheTree(const std::vector<RankBytes>& ranks) {
  RankBytes most;
  for (const RankBytes& rank : ranks) {
    if (rank.gradients >= most.gradients) most = rank;
  }
  return absl::StrFormat(
      "as many sums of gradients as exact mode's tree has alive: of the %.4g GB of gradients on "
      "the "
      "rank with most of them, all but one sum are %.4g GB",
      most.gradients / 1e9, most.more_sums / 1e9);
}

void AddMemory(const Forecast& plan, std::vector<std::string>& list) {
  const PlanConfig& settings = plan.config.plan();
  list.push_back(absl::StrFormat(
      "memory: %g bytes a weight, %g a gradient, %g of optimizer state on the rank that updates "
      "it; "
      "no communication buffers, workspaces or fragmentation",
      settings.weight_bytes(), settings.gradient_bytes(), settings.optimizer_bytes()));
  list.push_back(plan.layout.reduces_each_micro_batch()
                     ? "the gradient of one micro-batch of one chunk, and a share of all sums"
                 : settings.gradient_sums() > 0
                     ? absl::StrFormat("%d sum of gradients a stage (exact mode's tree keeps one "
                                       "more for every doubling of the micro-batches)",
                                       settings.gradient_sums())
                     : SumsOfTheTree(plan.memory));
  list.push_back(
      settings.activations() == PlanConfig::deepseek_v3
          ? "activations: norms, MLA's up-projections and SwiGLU are computed again; inputs of "
            "experts and SwiGLU are kept in fp8, those of the output projection in 12 bits"
          : "activations: an estimate of what every operation reads again");
  if (settings.one_embedding_a_rank())
    list.push_back(
        "a rank with the first and the last stage keeps one embedding for both; this program's "
        "training keeps two");
  if (plan.update.padding > 0)
    list.push_back("micro-batches that only fill the schedule take as long as others");
}

}  // namespace

std::vector<std::string> ForecastAssumptions(const Forecast& plan, const JobForecast& job) {
  std::vector<std::string> list;
  AddCosts(plan, list);
  AddShards(plan.layout, list);
  AddMemory(plan, list);
  if (job.stages.empty()) return list;
  list.push_back(
      "rollouts and training take turns on all ranks; a rollout lasts until its longest completion "
      "ends, and no longer than that if full batches are done before; rewards take no time");
  for (const RolloutPlanConfig& rollout : plan.config.plan().rollout()) {
    list.push_back(absl::StrFormat(
        "stage %s: completions of %g tokens on average; %g tokens a second of a rank with full "
        "batches, %g of a sequence that is decoded on its own; %g s a step to change between "
        "rollout, reference and training",
        rollout.stage(), rollout.mean_completion_tokens(), rollout.rank_tokens_per_second(),
        rollout.sequence_tokens_per_second(), rollout.switch_seconds()));
  }
  list.push_back(
      "completions are trained on in micro-batches that may be shorter than they are, with "
      "attention over all of them, which this program's training cannot do yet");
  return list;
}

std::vector<std::string> ForecastLeavesOut(const Forecast& plan, const JobForecast& job) {
  std::vector<std::string> list;
  for (int i = 0; i < plan.config.stage_size(); ++i) {
    const StageConfig& stage = plan.config.stage(i);
    const bool in_job = std::any_of(job.stages.begin(), job.stages.end(), [&](const auto& planned) {
      return planned.name == stage.name();
    });
    if (stage.has_grpo() && !in_job) {
      list.push_back(absl::StrFormat(
          "stage %s: its rollouts, rewards and reference, since plan.rollout does not say how it "
          "decodes; %s",
          stage.name(), i == 0 ? "the step above is one update" : "and its updates"));
    } else if (i > 0 && !in_job) {
      list.push_back(absl::StrFormat("stage %s: the step above is one of stage %s", stage.name(),
                                     plan.config.stage(0).name()));
    }
    if (stage.has_evaluate())
      list.push_back(absl::StrFormat("stage %s: its evaluations", stage.name()));
  }
  if (plan.cluster.name() != "cpu")
    list.push_back(
        "this version trains on CPUs only: a run on these machines cannot be started yet");
  if (list.empty()) list.push_back("nothing of the run");
  return list;
}

}  // namespace deduce
