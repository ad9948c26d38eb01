#include "rl/algorithm/rollout_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/records/sample_table.h"
#include "kernels/random.h"
#include "rl/algorithm/rollout_and_grade.h"
#include "rl/reward/registry.h"

namespace deduce {
namespace {

SampleTable TakeFirst(std::vector<SampleTable>& ready) {
  TORCH_CHECK(!ready.empty(), "RolloutSource: found no step that was started, expected one");
  SampleTable first = std::move(ready.front());
  ready.erase(ready.begin());
  return first;
}

absl::StatusOr<SampleTable> ReadStep(const std::string& path, int64_t step) {
  ASSIGN_OR_RETURN(SampleTable table, ReadSampleTable(path));
  for (int i = 0; i < table.sample_size(); ++i) {
    if (table.sample(i).step() == step) continue;
    return absl::InvalidArgumentError(absl::StrCat(path, ":", i + 1, ": found step ",
                                                   table.sample(i).step(), ", expected ", step));
  }
  return table;
}

}  // namespace

SynchronousRollouts::SynchronousRollouts(const StageConfig& stage, PromptStream prompts,
                                         RewardSet rewards,
                                         std::shared_ptr<const Tokenizer> tokenizer, uint64_t seed)
    : config_(stage.grpo()),
      prompts_(std::move(prompts)),
      rewards_(std::move(rewards)),
      tokenizer_(std::move(tokenizer)),
      stream_(RandomStream(seed, "rollout/" + stage.name())) {}

absl::StatusOr<std::shared_ptr<SynchronousRollouts>> SynchronousRollouts::Create(
    const StageConfig& stage, uint64_t seed, std::shared_ptr<const Tokenizer> tokenizer,
    const std::string& where) {
  ASSIGN_OR_RETURN(PromptStream prompts, PromptStream::Create(stage.data(), seed, tokenizer,
                                                              stage.grpo().max_prompt_length(),
                                                              where + ".data", AnswerVerifiers()));
  ASSIGN_OR_RETURN(RewardSet rewards,
                   RewardSet::Create(stage.grpo().reward(), where + ".grpo.reward"));
  return std::shared_ptr<SynchronousRollouts>(new SynchronousRollouts(
      stage, std::move(prompts), std::move(rewards), std::move(tokenizer), seed));
}

absl::Status SynchronousRollouts::Start(RankModel& model, int64_t step, int64_t version) {
  std::vector<RolloutGroup> groups;
  for (int64_t p = 0; p < config_.prompts_per_step(); ++p) {
    const auto id = static_cast<uint64_t>(step * config_.prompts_per_step() + p);
    ASSIGN_OR_RETURN(Prompt prompt, prompts_.Get(Split::kTrain, id));
    groups.push_back({std::move(prompt), id, config_.num_generations()});
  }
  const GenerationOptions generation{.max_new_tokens = config_.max_completion_length(),
                                     .temperature = config_.temperature(),
                                     .top_p = config_.top_p(),
                                     .end_ids = prompts_.end_ids(),
                                     .stream = stream_,
                                     .step = static_cast<uint64_t>(step),
                                     .max_batch = config_.rollout_batch_size()};
  SampleTable table =
      RolloutAndGrade(model, model.ranks(), *tokenizer_, groups, generation, rewards_);
  for (Sample& sample : *table.mutable_sample()) sample.set_policy_version(version);
  ready_.push_back(std::move(table));
  return absl::OkStatus();
}

absl::StatusOr<SampleTable> SynchronousRollouts::Take() { return TakeFirst(ready_); }

absl::Status ReplayedRollouts::Start(RankModel& model, int64_t step, int64_t /*version*/) {
  absl::StatusOr<SampleTable> table =
      ReadStep(absl::StrCat(folder_, "/", step + 1, ".jsonl"), step + 1);
  RETURN_IF_ERROR(AgreeOnStatus(*model.ranks().world, table.status()));
  ready_.push_back(*std::move(table));
  return absl::OkStatus();
}

absl::StatusOr<SampleTable> ReplayedRollouts::Take() { return TakeFirst(ready_); }

}  // namespace deduce
