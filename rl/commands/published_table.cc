#include "rl/commands/published_table.h"

#include <algorithm>
#include <numeric>

namespace deduce {

WorkTimes MeanTimes(const Timeline& timeline) {
  WorkTimes mean;
  const double share = 1.0 / static_cast<double>(timeline.ranks.size());
  for (const std::vector<TimedStep>& steps : timeline.ranks) {
    const WorkTimes times = TimesByKind(steps);
    mean.forward += times.forward * share;
    mean.backward += times.backward * share;
    mean.weight_gradient += times.weight_gradient * share;
    mean.overlapped += times.overlapped * share;
  }
  return mean;
}

double MeanBubble(const Timeline& timeline) {
  return std::accumulate(timeline.bubble.begin(), timeline.bubble.end(), 0.0) /
         static_cast<double>(timeline.bubble.size());
}

double PeakBytes(const std::vector<RankBytes>& ranks) {
  double most = 0;
  for (const RankBytes& rank : ranks) most = std::max(most, rank.total());
  return most;
}

std::vector<PublishedRow> PublishedTable(const Forecast& plan, const JobForecast& job) {
  std::vector<PublishedRow> rows;
  const auto add = [&](const char* name, const char* unit, bool given, double published,
                       double predicted, bool calibrated = false) {
    if (given) rows.push_back({name, unit, published, predicted, calibrated});
  };
  const PublishedConfig& p = plan.config.plan().published();
  const CalibrationConfig& c = plan.config.plan().calibration();
  const Timeline& timeline = plan.update.timeline;
  add("parameters", "", p.has_parameters(), p.parameters(), static_cast<double>(plan.parameters));
  add("training FLOPs a token", "GFLOP", p.has_gflop_per_token(), p.gflop_per_token(),
      plan.flops_per_token / 1e9);
  // Only a step of the measured shape has the measured parts.
  if (p.has_step_seconds()) {
    const WorkTimes times =
        c.has_rank() ? TimesByKind(timeline.ranks.at(c.rank())) : MeanTimes(timeline);
    const bool has = plan.config.plan().has_calibration();
    add("forward alone", "s", has, c.forward_seconds(), times.forward, true);
    add("backward alone", "s", has, c.backward_seconds(), times.backward, true);
    add("weight gradient alone", "s", c.has_weight_gradient_seconds(), c.weight_gradient_seconds(),
        times.weight_gradient, true);
    add("overlapped forward and backward", "s", c.has_overlapped_seconds(), c.overlapped_seconds(),
        times.overlapped, true);
    add("optimizer", "s", has && c.optimizer_seconds() > 0, c.optimizer_seconds(),
        plan.update.optimizer, true);
  }
  add("bubble", "s", p.has_bubble_seconds(), p.bubble_seconds(),
      c.has_rank() ? timeline.bubble.at(c.rank()) : MeanBubble(timeline));
  add("step", "s", p.has_step_seconds(), p.step_seconds(), plan.update.seconds());
  add("throughput of a rank", "TFLOPS", p.has_tflops_per_rank(), p.tflops_per_rank(),
      plan.tflops_per_rank);
  add("rank-hours for 1e12 tokens", "thousand h", p.has_thousand_rank_hours_per_trillion_tokens(),
      p.thousand_rank_hours_per_trillion_tokens(), plan.rank_hours_per_trillion_tokens / 1e3);
  add("memory of the fullest rank", "GB", p.has_memory_gb(), p.memory_gb(),
      PeakBytes(plan.memory) / 1e9);
  if (p.has_memory_gb()) rows.back().is_limit = true;
  if (!job.stages.empty()) {
    add("reinforcement learning", "h", p.has_job_hours(), p.job_hours(), job.hours);
    add("its rank-hours", "thousand h", p.has_thousand_job_rank_hours(),
        p.thousand_job_rank_hours(), job.rank_hours / 1e3);
  }
  return rows;
}

}  // namespace deduce
