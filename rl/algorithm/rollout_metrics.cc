#include "rl/algorithm/rollout_metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "data/records/sample_table.h"
#include "rl/reward/verifier.h"

namespace deduce {
namespace {

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// Sample deviation over the whole batch, as TRL's reward_std.
double Deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double mean = Mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

// Share of groups whose scorable rewards are all equal: they teach nothing.
double ZeroDeviationShare(const SampleTable& table) {
  double flat = 0;
  const auto groups = SamplesByGroup(table);
  for (const auto& [group, places] : groups) {
    std::vector<double> rewards;
    for (const size_t i : places) {
      const Sample& sample = table.sample(static_cast<int>(i));
      if (sample.has_reward()) rewards.push_back(sample.reward());
    }
    const auto [least, most] = std::minmax_element(rewards.begin(), rewards.end());
    if (rewards.empty() || *least == *most) ++flat;
  }
  return flat / static_cast<double>(groups.size());
}

}  // namespace

RolloutMetrics::RolloutMetrics(const SampleTable& table)
    : rollout_seconds_(table.rollout_seconds()), reward_seconds_(table.reward_seconds()) {
  std::vector<double> rewards, lengths;
  std::map<std::string, std::vector<double>> by_verifier;
  double unscorable = 0, truncated = 0, wrong = 0;
  std::map<std::string, double> reasons;
  for (const Sample& sample : table.sample()) {
    lengths.push_back(static_cast<double>(sample.completion_tokens_size()));
    completion_tokens_ += lengths.back();
    truncated += sample.status() == Sample::truncated ? 1 : 0;
    wrong += sample.verdict() == Sample::wrong ? 1 : 0;
    ++reasons[sample.reason()];
    for (const auto& [name, score] : sample.rewards()) by_verifier[name].push_back(score);
    if (sample.has_reward()) {
      rewards.push_back(sample.reward());
    } else {
      ++unscorable;
    }
  }
  const double count = static_cast<double>(table.sample_size());
  rewards_ = {{"reward", Mean(rewards)},
              {"reward_std", Deviation(rewards)},
              {"frac_reward_zero_std", ZeroDeviationShare(table)}};
  for (const auto& [name, scores] : by_verifier)
    rewards_.emplace_back("rewards/" + name + "/mean", Mean(scores));
  rewards_.emplace_back("rewards/accuracy/wrong_ratio", wrong / count);
  for (const char* reason : {kNoAnswer, kNotUnderstood}) {
    rewards_.emplace_back(absl::StrCat("rewards/accuracy/", reason, "_ratio"),
                          reasons[reason] / count);
  }
  rewards_.emplace_back("rewards/unscorable_ratio", unscorable / count);
  completions_ = {{"completions/mean_length", Mean(lengths)},
                  {"completions/max_length", *std::max_element(lengths.begin(), lengths.end())},
                  {"completions/clipped_ratio", truncated / count}};
}

void RolloutMetrics::AddUpdate(const StepStats& stats) { updates_.push_back(stats); }

void RolloutMetrics::AddTimes(double reference_seconds, double train_seconds) {
  reference_seconds_ += reference_seconds;
  train_seconds_ += train_seconds;
}

StepStats RolloutMetrics::Combined() const {
  StepStats combined;
  const double count = static_cast<double>(updates_.size());
  for (const StepStats& update : updates_) {
    for (const auto& [name, loss] : update.losses) combined.losses[name] += loss / count;
    combined.grad_norm += update.grad_norm / count;
    combined.finite = combined.finite && update.finite;
    combined.max_over_mean_load = std::max(combined.max_over_mean_load, update.max_over_mean_load);
    combined.max_over_mean_rank_load =
        std::max(combined.max_over_mean_rank_load, update.max_over_mean_rank_load);
    combined.num_tokens += update.num_tokens;
  }
  return combined;
}

double RolloutMetrics::MeanOfTokens(const std::string& name, size_t num_updates,
                                    double otherwise) const {
  double sum = 0, tokens = 0;
  for (size_t i = 0; i < std::min(num_updates, updates_.size()); ++i) {
    for (const auto& [metric, value] : updates_[i].metric_sums) {
      if (metric == name) sum += value;
      if (metric == "tokens") tokens += value;
    }
  }
  return tokens > 0 ? sum / tokens : otherwise;
}

MetricsRecord RolloutMetrics::Record() const {
  MetricsRecord record = rewards_;
  record.insert(record.end(), completions_.begin(), completions_.end());
  const auto mean = [&](const char* name) { return MeanOfTokens(name, updates_.size(), 0); };
  record.emplace_back("kl", mean("kl"));
  record.emplace_back("entropy", mean("entropy"));
  record.emplace_back("clip_ratio/low_mean", mean("clip_low"));
  record.emplace_back("clip_ratio/high_mean", mean("clip_high"));
  record.emplace_back("rollout/logprob_bitwise_equal_ratio", MeanOfTokens("equal", 1, 1));
  record.emplace_back("rollout/tokens_per_second",
                      completion_tokens_ / std::max(rollout_seconds_, 1e-9));
  record.emplace_back("timing_s/rollout", rollout_seconds_);
  record.emplace_back("timing_s/reward", reward_seconds_);
  record.emplace_back("timing_s/reference", reference_seconds_);
  record.emplace_back("timing_s/train", train_seconds_);
  return record;
}

}  // namespace deduce
