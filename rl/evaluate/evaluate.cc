#include "rl/evaluate/evaluate.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/records/held_out_rows.h"
#include "data/records/streams.h"
#include "kernels/random.h"
#include "rl/algorithm/rollout_and_grade.h"
#include "rl/evaluate/held_out_loss.h"
#include "rl/reward/check_golds.h"
#include "rl/reward/registry.h"
#include "trainer/step/supervised.h"

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
  Evaluator evaluator;
  const EvaluateConfig& config = evaluator.config_ = stage.evaluate();
  evaluator.tokenizer_ = std::move(tokenizer);
  int64_t max_new = config.has_max_completion_length() ? config.max_completion_length()
                                                       : stage.grpo().max_completion_length();
  // The default of a small model that nobody gave a length: what leaves room for a prompt.
  if (max_new >= max_positions) max_new = max_positions / 2;
  evaluator.generation_ = {.max_new_tokens = max_new,
                           .temperature = config.temperature(),
                           .top_p = config.top_p(),
                           .stream = RandomStream(seed, "evaluate"),
                           .max_batch = kDecodeTogether};
  const int64_t max_prompt = max_positions - max_new;
  RETURN_IF_ERROR(config.has_path() ? evaluator.ReadFile(stage, max_prompt, max_positions, where)
                                    : evaluator.ReadTask(stage, seed, max_prompt, where));
  return evaluator;
}

absl::Status Evaluator::ReadTask(const StageConfig& stage, uint64_t seed, int64_t max_prompt,
                                 const std::string& where) {
  DataConfig data = stage.data();
  std::string data_where = where + ".data";
  if (config_.has_task()) {
    data.clear_path();
    *data.mutable_task() = config_.task();
    data_where = where + ".evaluate";
  }
  data.clear_num_samples();
  ASSIGN_OR_RETURN(const PromptStream prompts,
                   PromptStream::Create(data, seed, tokenizer_, max_prompt, data_where));
  for (int64_t n = 0; n < config_.num_problems(); ++n) {
    ASSIGN_OR_RETURN(problems_.emplace_back(),
                     prompts.Get(Split::kHeldOut, static_cast<uint64_t>(n)));
  }
  generation_.end_ids = prompts.end_ids();
  name_ = data.task().name();
  return absl::OkStatus();
}

absl::Status Evaluator::ReadFile(const StageConfig& stage, int64_t max_prompt,
                                 int64_t max_positions, const std::string& where) {
  DataConfig data = stage.data();  // the file's prompts are framed as the stage's
  data.set_path(config_.path());
  micro_batch_tokens_ = stage.micro_batch_tokens();
  completion_only_ = LearnsCompletionsOnly(stage);
  const HeldOutOptions options{
      .max_prompt_tokens = max_prompt,
      .max_sample_tokens = stage.has_grpo() ? 0 : std::min(max_positions, micro_batch_tokens_),
      .turns = TurnsOf(stage),
      .verifiers = AnswerVerifiers()};
  ASSIGN_OR_RETURN(HeldOutRows rows, ReadHeldOutRows(data, tokenizer_, options, where + ".data"));
  rows_text_ = rows.report.Text();
  if (!rows.samples.empty()) absl::StrAppend(&rows_text_, "; loss of ", rows.samples.size());
  ASSIGN_OR_RETURN(const std::string golds, RemarkOnGolds(&rows.problems));
  if (!golds.empty()) absl::StrAppend(&rows_text_, "; ", golds);
  problems_ = std::move(rows.problems);
  if (!problems_.empty()) {
    const size_t count = problems_.size();
    problems_.resize(std::min(count, static_cast<size_t>(config_.num_problems())));
    absl::StrAppend(&rows_text_, "; accuracy on ", problems_.size(), " of ", count,
                    " problems (evaluate.num_problems)");
  }
  samples_ = std::move(rows.samples);
  generation_.end_ids = std::move(rows.end_ids);
  name_ = std::filesystem::path(config_.path()).stem().string();
  return absl::OkStatus();
}

absl::Status Evaluator::Append(RankModel& model, MetricsRecord& record) const {
  if (!samples_.empty()) {
    record.emplace_back("eval/loss",
                        HeldOutLoss(model, samples_, micro_batch_tokens_, completion_only_));
  }
  return problems_.empty() ? absl::OkStatus() : AppendAccuracy(model, record);
}

absl::Status Evaluator::AppendAccuracy(RankModel& model, MetricsRecord& record) const {
  ASSIGN_OR_RETURN(const RewardSet verifiers, AllVerifiers());
  std::vector<RolloutGroup> groups;
  for (size_t n = 0; n < problems_.size(); ++n)
    groups.push_back({problems_[n], n, config_.samples_per_problem()});
  const SampleTable table =
      RolloutAndGrade(model, model.ranks(), *tokenizer_, groups, generation_, verifiers);
  const std::string prefix = absl::StrCat("eval/", name_, "/");
  AppendMean(prefix + "pass@1", MeanScore(table, "accuracy"), record);
  AppendMean(prefix + "language_consistency", MeanScore(table, "language"), record);
  record.emplace_back(prefix + "format", MeanScore(table, "format").value);
  return absl::OkStatus();
}

}  // namespace deduce
