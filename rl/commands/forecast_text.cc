#include "rl/commands/forecast_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rl/commands/forecast_assumptions.h"
#include "rl/commands/published_table.h"

namespace deduce {
namespace {

constexpr int kTimelineWidth = 72;
constexpr int kEndWidth = 34;  // columns at either end of a long timeline

std::string LayersText(const ModelConfig& model, const ModelPart& part) {
  std::vector<std::string> words;
  if (part.first) words.push_back("embedding");
  if (part.num_layers == 1) words.push_back(absl::StrCat("layer ", part.first_layer));
  if (part.num_layers > 1) {
    words.push_back(
        absl::StrCat("layers ", part.first_layer, " to ", part.first_layer + part.num_layers - 1));
  }
  if (part.last) words.push_back("head");
  if (part.last && model.num_nextn_predict_layers() > 0) words.push_back("prediction module");
  std::string text;
  for (const std::string& word : words) absl::StrAppend(&text, text.empty() ? "" : ", ", word);
  return text;
}

// The axes that split micro-batches, where there are any.
std::string PartsText(const Layout& layout) {
  std::string text;
  if (layout.context_parallel > 1)
    absl::StrAppend(&text, " x context_parallel ", layout.context_parallel);
  if (layout.tensor_parallel > 1)
    absl::StrAppend(&text, " x tensor_parallel ", layout.tensor_parallel);
  return text;
}

std::string LayoutText(const Forecast& plan) {
  const Layout& layout = plan.layout;
  std::string text = absl::StrFormat(
      "layout: %d ranks = pipeline_parallel %d x expert_parallel %d x data_parallel %d%s; %d "
      "replicas\n"
      "schedule: %s, %d micro-batches of a replica (%d of them padding), %.0f tokens each at most\n"
      "update: %.0f sequences of %.0f tokens\n",
      layout.num_ranks, layout.pipeline_parallel, layout.expert_parallel, layout.data_parallel,
      PartsText(layout), layout.num_replicas(), plan.update.plan.schedule.name,
      plan.update.micro_batches, plan.update.padding, plan.shape.micro_batch_tokens,
      plan.shape.sequences, plan.shape.sequence_length);
  absl::StrAppend(&text, "stages:\n");
  const Schedule& schedule = plan.update.plan.schedule;
  for (size_t stage = 0; stage < plan.parts.size(); ++stage) {
    std::string holders;
    for (const int rank : HoldersOf(schedule, static_cast<int>(stage)))
      absl::StrAppend(&holders, holders.empty() ? "" : " and ", rank);
    absl::StrAppendFormat(&text, "  %2d  pipeline rank %s: %s\n", static_cast<int>(stage), holders,
                          LayersText(plan.config.model(), plan.parts[stage]));
  }
  return text;
}

std::string ProofText(const Forecast& plan) {
  size_t actions = 0;
  for (const std::vector<PlanAction>& rank : plan.update.plan.ranks) actions += rank.size();
  return absl::StrFormat(
      "proof: the %d actions of %d ranks hold: each stage has one forward and one whole backward "
      "of every micro-batch;\n"
      "  gradients are reduced once, over all holders, before one update; nothing is used before "
      "it is there; sends and receives match in order;\n"
      "  no circle of waits with channels of one message; every rank fits into its memory%s\n",
      static_cast<int>(actions), plan.layout.pipeline_parallel,
      plan.cluster.has_memory_gb() ? absl::StrFormat(" (%g GB)", plan.cluster.memory_gb())
                                   : " (no limit is known)");
}

std::string MemoryText(const Forecast& plan) {
  std::string text =
      "memory, GB a rank:\n  rank  weights  gradients  optimizer  activations    total\n";
  for (size_t rank = 0; rank < plan.memory.size(); ++rank) {
    const RankBytes& bytes = plan.memory[rank];
    absl::StrAppendFormat(&text, "  %4d  %7.3f  %9.3f  %9.3f  %11.3f  %7.3f\n",
                          static_cast<int>(rank), bytes.weights / 1e9, bytes.gradients / 1e9,
                          bytes.optimizer / 1e9, bytes.activations / 1e9, bytes.total() / 1e9);
  }
  return text + absl::StrFormat("  most: %.3f GB\n", PeakBytes(plan.memory) / 1e9);
}

// Seconds of the shortest work of a timeline; 0 if it has none.
double ShortestWork(const Timeline& timeline) {
  double shortest = 0;
  for (const std::vector<TimedStep>& steps : timeline.ranks) {
    for (const TimedStep& timed : steps) {
      const double seconds = timed.end - timed.begin;
      if (seconds > 0 && (shortest == 0 || seconds < shortest)) shortest = seconds;
    }
  }
  return shortest;
}

// Seconds that each end of a timeline is shown for; 0: it is short enough to be shown whole.
double ShownEnds(const Timeline& timeline) {
  const double column = ShortestWork(timeline);
  return timeline.makespan > 2 * kTimelineWidth * column ? column * kEndWidth : 0;
}

std::string RowText(const std::vector<TimedStep>& steps, double makespan, double ends) {
  if (ends == 0) return TimelineRow(steps, 0, makespan, kTimelineWidth);
  return absl::StrCat(TimelineRow(steps, 0, ends, kEndWidth), " ~ ",
                      TimelineRow(steps, makespan - ends, makespan, kEndWidth));
}

std::string TimelineText(const Forecast& plan) {
  const Timeline& timeline = plan.update.timeline;
  const double ends = ShownEnds(timeline);
  std::string text =
      "timeline (f forward, b backward, w weight gradient, = both at once, . waiting):\n";
  if (ends > 0) {
    absl::StrAppendFormat(&text,
                          "  its first and last %.3g s of %.4g s; --trace writes all of it\n", ends,
                          timeline.makespan);
  }
  for (size_t rank = 0; rank < timeline.ranks.size(); ++rank) {
    absl::StrAppendFormat(
        &text, "  %2d |%s| bubble %.4g s (%.1f%%), of it transfers %.4g s; sends %.4g MB\n",
        static_cast<int>(rank), RowText(timeline.ranks[rank], timeline.makespan, ends),
        timeline.bubble[rank], 100 * timeline.bubble[rank] / plan.update.seconds(),
        timeline.exposed[rank], timeline.bytes_sent[rank] / 1e6);
  }
  const WorkTimes mean = MeanTimes(timeline);
  absl::StrAppendFormat(&text,
                        "  mean of the ranks: forward %.4g s, backward %.4g s, weight gradient "
                        "%.4g s, overlapped %.4g s, bubble %.4g s\n",
                        mean.forward, mean.backward, mean.weight_gradient, mean.overlapped,
                        MeanBubble(timeline));
  return text;
}

std::string SpeedText(const Forecast& plan) {
  std::string text = absl::StrFormat(
      "step: %.4g s = pipeline %.4g s + optimizer %.4g s\n"
      "parameters: %d, %d of them active; %.5g GFLOP a token\n"
      "tokens a second: %.1f, of a rank %.2f; %.4g TFLOPS a rank, %.2f%% of the peak\n",
      plan.update.seconds(), plan.update.timeline.makespan, plan.update.optimizer, plan.parameters,
      plan.active_parameters, plan.flops_per_token / 1e9, plan.tokens_per_second,
      plan.tokens_per_second / plan.layout.num_ranks, plan.tflops_per_rank, 100 * plan.utilization);
  absl::StrAppendFormat(&text, "cluster %s: %.1f thousand rank-hours for 1e12 tokens",
                        plan.cluster.name(), plan.rank_hours_per_trillion_tokens / 1e3);
  if (plan.dollars_per_trillion_tokens > 0) {
    absl::StrAppendFormat(&text, ", $%.0f at $%g an hour", plan.dollars_per_trillion_tokens,
                          plan.cluster.dollars_per_rank_hour());
  }
  return text + "\n";
}

std::string JobText(const JobForecast& job) {
  if (job.stages.empty()) return "";
  std::string text = "reinforcement learning, seconds of a GRPO step:\n";
  for (const GrpoStageForecast& stage : job.stages) {
    absl::StrAppendFormat(
        &text,
        "  %s: %.0f steps with %.0f updates; step %.1f = rollout %.1f (full batches %.1f, longest "
        "%.1f) + reference %.1f + updates %.1f + switching %.1f\n",
        stage.name, stage.steps, stage.updates, stage.step(), stage.rollout(),
        stage.full_batch_decode, stage.longest_decode, stage.reference, stage.training,
        stage.switches);
  }
  absl::StrAppendFormat(&text, "  in all %.1f h, %.1f thousand rank-hours", job.hours,
                        job.rank_hours / 1e3);
  if (job.dollars > 0) absl::StrAppendFormat(&text, ", $%.0f", job.dollars);
  return text + "\n";
}

// Without a sign when it rounds to nothing.
std::string ErrorText(double percent) {
  return std::abs(percent) < 0.005 ? "0.00%" : absl::StrFormat("%+.2f%%", percent);
}

std::string PublishedText(const std::vector<PublishedRow>& rows) {
  if (rows.empty()) return "";
  std::string text = absl::StrFormat("%-34s %16s %16s %9s\n", "beside published numbers",
                                     "published", "predicted", "error");
  for (const PublishedRow& row : rows) {
    const std::string name = row.unit.empty() ? row.name : absl::StrCat(row.name, ", ", row.unit);
    const int digits = row.published >= 1e6 ? 0 : 3;
    const std::string error =
        row.is_limit ? absl::StrCat(row.predicted <= row.published ? "under it" : "over it")
                     : ErrorText(row.error_percent());
    absl::StrAppendFormat(&text, "  %-32s %16.*f %16.*f %9s%s\n", name, digits, row.published,
                          digits, row.predicted, error, row.calibrated ? "  calibrated on" : "");
  }
  return text;
}

}  // namespace

std::string TimelineRow(const std::vector<TimedStep>& steps, double begin, double end, int width) {
  std::string row(width, '.');
  if (end <= begin) return row;
  for (const TimedStep& timed : steps) {
    const char letter = timed.step.second                                ? '='
                        : timed.step.first.work == Work::kForward        ? 'f'
                        : timed.step.first.work == Work::kWeightGradient ? 'w'
                                                                         : 'b';
    // A part shows what is done in its middle.
    for (int i = 0; i < width; ++i) {
      const double middle = begin + (i + 0.5) / width * (end - begin);
      if (timed.begin <= middle && middle < timed.end) row[i] = letter;
    }
  }
  return row;
}

std::string ForecastText(const Forecast& plan, const JobForecast& job) {
  std::string text = absl::StrCat(LayoutText(plan), ProofText(plan), MemoryText(plan),
                                  TimelineText(plan), SpeedText(plan), JobText(job), "left out:\n");
  for (const std::string& missing : ForecastLeavesOut(plan, job))
    absl::StrAppend(&text, "  - ", missing, "\n");
  text += "assumptions:\n";
  for (const std::string& assumption : ForecastAssumptions(plan, job))
    absl::StrAppend(&text, "  - ", assumption, "\n");
  return text + PublishedText(PublishedTable(plan, job));
}

}  // namespace deduce
