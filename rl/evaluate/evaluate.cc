#include "rl/evaluate/evaluate.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "kernels/random.h"
#include "rl/algorithm/rollout_and_grade.h"

namespace deduce {
namespace {

constexpr int64_t kDecodeTogether = 128;  // sequences a rank decodes at a time

absl::StatusOr<RewardSet> AllVerifiers() {
  google::protobuf::RepeatedPtrField<RewardConfig> configs;
  for (const char* name : {"accuracy", "format", "language"}) configs.Add()->set_verifier(name);
  return RewardSet::Create(configs);
}

// Mean of one verifier's score over the samples it could score, and over how many problems it was
// taken.
struct Mean {
  double value = 0;
  int64_t num_problems = 0;  // 0: nothing could be scored, and the value means nothing
};

Mean MeanScore(const SampleTable& table, const std::string& verifier) {
  Mean mean;
  int64_t count = 0;
  std::set<uint64_t> problems;
  for (const Sample& sample : table.sample()) {
    const auto score = sample.rewards().find(verifier);
    if (score == sample.rewards().end()) continue;
    mean.value += score->second;
    ++count;
    problems.insert(sample.group());
  }
  mean.num_problems = static_cast<int64_t>(problems.size());
  if (count > 0) mean.value /= static_cast<double>(count);
  return mean;
}

// Nothing where nothing could be scored: a 0 would be read as a result.
void AppendMean(const std::string& name, const Mean& mean, MetricsRecord& record) {
  if (mean.num_problems == 0) return;
  const Interval interval = WilsonInterval(mean.value, mean.num_problems);
  record.emplace_back(name, mean.value);
  record.emplace_back(name + "_ci95", std::vector<double>{interval.low, interval.high});
}

}  // namespace

Interval WilsonInterval(double mean, int64_t n) {
  if (n == 0) return {0, 1};
  constexpr double kZ = 1.959963984540054;  // 97.5% quantile of the normal distribution
  const double count = static_cast<double>(n);
  const double scale = 1 + kZ * kZ / count;
  const double middle = (mean + kZ * kZ / (2 * count)) / scale;
  const double half =
      kZ / scale * std::sqrt(mean * (1 - mean) / count + kZ * kZ / (4 * count * count));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

absl::StatusOr<Evaluator> Evaluator::Create(const StageConfig& stage, uint64_t seed,
                                            std::shared_ptr<const Tokenizer> tokenizer,
                                            int64_t max_positions, const std::string& where) {
  DataConfig data = stage.data();
  std::string data_where = where + ".data";
  if (stage.evaluate().has_task()) {
    data.clear_path();
    *data.mutable_task() = stage.evaluate().task();
    data_where = where + ".evaluate";
  }
  data.clear_num_samples();
  int64_t max_new = stage.evaluate().max_completion_length();
  if (!stage.evaluate().has_max_completion_length()) max_new = stage.grpo().max_completion_length();
  ASSIGN_OR_RETURN(PromptStream prompts, PromptStream::Create(data, seed, tokenizer,
                                                              max_positions - max_new, data_where));
  Evaluator evaluator(stage.evaluate(), std::move(prompts), std::move(tokenizer));
  evaluator.task_name_ = data.task().name();
  evaluator.max_completion_length_ = max_new;
  evaluator.stream_ = RandomStream(seed, "evaluate");
  return evaluator;
}

absl::Status Evaluator::Append(RankModel& model, MetricsRecord& record) const {
  ASSIGN_OR_RETURN(const RewardSet verifiers, AllVerifiers());
  std::vector<RolloutGroup> groups;
  for (int64_t n = 0; n < config_.num_problems(); ++n) {
    const auto id = static_cast<uint64_t>(n);
    ASSIGN_OR_RETURN(Prompt prompt, prompts_.Get(Split::kHeldOut, id));
    groups.push_back({std::move(prompt), id, config_.samples_per_problem()});
  }
  const GenerationOptions options{.max_new_tokens = max_completion_length_,
                                  .temperature = config_.temperature(),
                                  .top_p = config_.top_p(),
                                  .end_ids = prompts_.end_ids(),
                                  .stream = stream_,
                                  .max_batch = kDecodeTogether};
  const SampleTable table =
      RolloutAndGrade(model, model.ranks(), *tokenizer_, groups, options, verifiers);
  const std::string prefix = absl::StrCat("eval/", task_name_, "/");
  AppendMean(prefix + "pass@1", MeanScore(table, "accuracy"), record);
  AppendMean(prefix + "language_consistency", MeanScore(table, "language"), record);
  record.emplace_back(prefix + "format", MeanScore(table, "format").value);
  return absl::OkStatus();
}

}  // namespace deduce
