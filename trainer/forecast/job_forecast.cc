#include "trainer/forecast/job_forecast.h"

#include <algorithm>

#include "configs/status.h"

namespace deduce {
namespace {

absl::StatusOr<GrpoStageForecast> PlanStage(const Forecast& plan, const StageConfig& stage,
                                            const RolloutPlanConfig& rollout) {
  const GrpoConfig& grpo = stage.grpo();
  const double samples = static_cast<double>(grpo.prompts_per_step() * grpo.num_generations());
  const double mini_batches = static_cast<double>(grpo.num_mini_batches());
  const double updates = mini_batches * static_cast<double>(grpo.num_iterations());
  const double longest = rollout.has_longest_tokens()
                             ? rollout.longest_tokens()
                             : static_cast<double>(grpo.max_completion_length());
  UpdateShape shape{.sequences = samples,
                    .sequence_length = rollout.mean_completion_tokens(),
                    .micro_batch_tokens = plan.shape.micro_batch_tokens};
  GrpoStageForecast job{.name = stage.name(), .steps = static_cast<double>(stage.steps())};
  job.updates = job.steps * updates;
  job.full_batch_decode =
      shape.tokens() / (rollout.rank_tokens_per_second() * plan.layout.num_ranks);
  job.longest_decode = longest / rollout.sequence_tokens_per_second();
  job.switches = rollout.switch_seconds();
  if (grpo.beta() > 0) {
    ASSIGN_OR_RETURN(job.reference, TimeForward(plan, shape));
  }
  shape.sequences = samples / mini_batches;
  ASSIGN_OR_RETURN(const TimedUpdate update, TimeUpdate(plan, shape));
  job.training = updates * update.seconds();
  return job;
}

}  // namespace

double GrpoStageForecast::rollout() const { return std::max(full_batch_decode, longest_decode); }

absl::StatusOr<JobForecast> MakeJobForecast(const Forecast& plan) {
  JobForecast job;
  for (const StageConfig& stage : plan.config.stage()) {
    for (const RolloutPlanConfig& rollout : plan.config.plan().rollout()) {
      if (rollout.stage() != stage.name()) continue;
      ASSIGN_OR_RETURN(GrpoStageForecast planned, PlanStage(plan, stage, rollout));
      job.hours += planned.steps * planned.step() / 3600;
      job.stages.push_back(std::move(planned));
    }
  }
  job.rank_hours = job.hours * plan.layout.num_ranks;
  job.dollars = job.rank_hours * plan.cluster.dollars_per_rank_hour();
  return job;
}

}  // namespace deduce
