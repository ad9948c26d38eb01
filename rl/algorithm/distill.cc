#include "rl/algorithm/distill.h"

#include <optional>
#include <utility>
#include <vector>

#include "configs/status.h"
#include "kernels/random.h"
#include "rl/algorithm/rollout_and_grade.h"
#include "rl/reward/registry.h"
#include "trainer/metrics/clock.h"
#include "trainer/step/supervised.h"

namespace deduce {
namespace {

absl::StatusOr<RewardSet> AccuracyAlone() {
  google::protobuf::RepeatedPtrField<RewardConfig> rewards;
  rewards.Add()->set_verifier("accuracy");
  return RewardSet::Create(rewards);
}

}  // namespace

absl::StatusOr<Teacher> LoadTeacher(const std::string& dir, ModelConfig::Compute compute,
                                    Communicator& world) {
  const Layout layout{.data_parallel = world.size(),
                      .num_ranks = world.size(),
                      .rank = world.rank(),
                      .data_rank = world.rank()};
  ASSIGN_OR_RETURN(ModelFolder folder, LoadModelFolder(dir, compute));
  return Teacher{std::move(folder), MakeRankGroups(world, layout)};
}

absl::StatusOr<Distill> Distill::Create(const StageConfig& stage, uint64_t seed,
                                        std::shared_ptr<const Tokenizer> student,
                                        int64_t max_tokens, const std::string& where) {
  ASSIGN_OR_RETURN(Tokenizer tokenizer, LoadFolderTokenizer(stage.distill().teacher()));
  const auto teacher = std::make_shared<const Tokenizer>(std::move(tokenizer));
  const auto read = [&](const std::shared_ptr<const Tokenizer>& tokenizer_of, int64_t max_prompt,
                        const RowReport& before) {
    return PromptStream::Create(stage.data(), seed, tokenizer_of, max_prompt, where + ".data",
                                AnswerVerifiers(), before);
  };
  const int64_t max_prompt = stage.distill().max_prompt_length();
  ASSIGN_OR_RETURN(PromptStream teacher_prompts, read(teacher, max_prompt, {}));
  ASSIGN_OR_RETURN(PromptStream student_prompts,
                   read(student, max_tokens - 1, teacher_prompts.report()));
  if (student_prompts.size() != teacher_prompts.size()) {
    ASSIGN_OR_RETURN(teacher_prompts, read(teacher, max_prompt, student_prompts.report()));
  }
  ASSIGN_OR_RETURN(RewardSet rewards, AccuracyAlone());
  Distill distill(stage, std::move(teacher_prompts), std::move(student_prompts),
                  std::move(rewards));
  distill.teacher_tokenizer_ = teacher;
  distill.student_tokenizer_ = std::move(student);
  distill.max_tokens_ = max_tokens;
  distill.stream_ = RandomStream(seed, "distill/" + stage.name());
  return distill;
}

absl::StatusOr<DistillResult> Distill::Step(TrainState& state, Teacher& teacher, int64_t step,
                                            const StepOptions& options) const {
  const DistillConfig& config = stage_.distill();
  const int64_t count = config.prompts_per_step();
  std::vector<RolloutGroup> groups;
  for (int64_t i = 0; i < count; ++i) {
    const auto id = static_cast<uint64_t>(step * count + i);
    ASSIGN_OR_RETURN(Prompt prompt, teacher_prompts_.Get(Split::kTrain, id));
    groups.push_back({.prompt = std::move(prompt), .prompt_id = id});
  }
  const GenerationOptions generation{.max_new_tokens = config.max_completion_length(),
                                     .temperature = config.temperature(),
                                     .top_p = config.top_p(),
                                     .end_ids = teacher_prompts_.end_ids(),
                                     .stream = stream_,
                                     .step = static_cast<uint64_t>(step),
                                     .max_batch = config.rollout_batch_size()};
  const SampleTable table = RolloutAndGrade(*teacher.folder.model, teacher.ranks,
                                            *teacher_tokenizer_, groups, generation, rewards_);
  const double train_start = SecondsNow();

  DistillResult result;
  ASSIGN_OR_RETURN(const std::vector<TokenSample> samples, Kept(table, result));
  if (!samples.empty()) {
    const auto sample = [&](int64_t i) -> absl::StatusOr<TokenSample> { return samples[i]; };
    ASSIGN_OR_RETURN(
        result.update,
        TrainOnSamples(state, static_cast<int64_t>(samples.size()), sample,
                       stage_.micro_batch_tokens(),
                       {.completion_only = true, .mtp_weight = config.mtp_loss_weight()}, options));
  }
  int64_t num_tokens = 0;
  for (const Sample& sample : table.sample()) num_tokens += sample.completion_tokens_size();
  result.metrics = {
      {"completions/mean_length", static_cast<double>(num_tokens) / static_cast<double>(count)},
      {"distill/kept_ratio", static_cast<double>(samples.size()) / static_cast<double>(count)},
      {"timing_s/rollout", table.rollout_seconds()},
      {"timing_s/reward", table.reward_seconds()},
      {"timing_s/train", SecondsNow() - train_start}};
  return result;
}

absl::StatusOr<std::vector<TokenSample>> Distill::Kept(const SampleTable& table,
                                                       DistillResult& result) const {
  std::vector<TokenSample> samples;
  for (const Sample& sample : table.sample()) {
    if (sample.status() == Sample::truncated) {
      ++result.truncated;
      continue;
    }
    if (stage_.distill().only_right() && sample.verdict() != Sample::right) {
      ++result.not_right;
      continue;
    }
    ASSIGN_OR_RETURN(const Prompt prompt, student_prompts_.Get(Split::kTrain, sample.prompt_id()));
    ASSIGN_OR_RETURN(const std::vector<int32_t> completion,
                     student_tokenizer_->Encode(sample.completion()));
    TokenSample learned{prompt.tokens, static_cast<int64_t>(prompt.tokens.size())};
    learned.tokens.insert(learned.tokens.end(), completion.begin(), completion.end());
    learned.tokens.push_back(student_tokenizer_->eos_id());
    if (static_cast<int64_t>(learned.tokens.size()) > max_tokens_) {
      ++result.too_long;
      continue;
    }
    samples.push_back(std::move(learned));
  }
  return samples;
}

}  // namespace deduce
