#include "data/streams.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/jsonl_reader.h"
#include "data/make_task.h"
#include "data/permutation.h"
#include "kernels/random.h"

namespace deduce {
namespace {

absl::Status At(const std::string& where, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(where, ": ", status.message()));
}

// The one rule between the fields of a DataConfig.
absl::Status CheckSource(const DataConfig& config, const std::string& where) {
  const bool has_path = !config.path().empty();
  if (has_path == config.has_task()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": found ", has_path ? "both" : "neither",
                                                   ", expected either path or task"));
  }
  if (config.num_samples() < 0 || (has_path && config.num_samples() > 0)) {
    return absl::InvalidArgumentError(absl::StrCat(where, ".num_samples: found ",
                                                   config.num_samples(), ", expected ",
                                                   has_path ? "none beside path" : "0 or more"));
  }
  return absl::OkStatus();
}

absl::Status CheckLength(const std::vector<int32_t>& tokens, int64_t max_tokens,
                         const std::string& where) {
  const int64_t length = static_cast<int64_t>(tokens.size());
  if (length <= max_tokens) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": found ", length, " tokens, expected at most ", max_tokens));
}

// The token that begins a text, where the tokenizer has it so. An error if none ends one: a sample
// must end, and a rollout be able to.
absl::StatusOr<std::vector<int32_t>> Beginning(const Tokenizer& tokenizer,
                                               const std::string& where) {
  const SpecialTokens& special = tokenizer.special_tokens();
  if (!special.eos) {
    return absl::InvalidArgumentError(
        absl::StrCat(where,
                     ": found a tokenizer without a token that ends a text, expected "
                     "eos_token in the tokenizer_config.json beside it, or <|end|>"));
  }
  return special.adds_bos ? std::vector<int32_t>{*special.bos} : std::vector<int32_t>();
}

absl::StatusOr<TokenSample> Tokenize(const Tokenizer& tokenizer, const std::string& prompt,
                                     const std::string& completion, int64_t max_tokens,
                                     const std::string& where) {
  const auto prompt_ids = tokenizer.Encode(prompt);
  if (!prompt_ids.ok()) return At(where, prompt_ids.status());
  const auto completion_ids = tokenizer.Encode(completion);
  if (!completion_ids.ok()) return At(where, completion_ids.status());
  TokenSample sample;
  ASSIGN_OR_RETURN(sample.tokens, Beginning(tokenizer, where));
  sample.tokens.insert(sample.tokens.end(), prompt_ids->begin(), prompt_ids->end());
  sample.prompt_length = static_cast<int64_t>(sample.tokens.size());
  sample.tokens.insert(sample.tokens.end(), completion_ids->begin(), completion_ids->end());
  sample.tokens.push_back(tokenizer.eos_id());
  RETURN_IF_ERROR(CheckLength(sample.tokens, max_tokens, where));
  return sample;
}

absl::StatusOr<Prompt> TokenizePrompt(const Tokenizer& tokenizer, Problem problem,
                                      int64_t max_tokens, const std::string& where) {
  const auto ids = tokenizer.Encode(problem.prompt);
  if (!ids.ok()) return At(where, ids.status());
  Prompt prompt{std::move(problem), {}};
  ASSIGN_OR_RETURN(prompt.tokens, Beginning(tokenizer, where));
  prompt.tokens.insert(prompt.tokens.end(), ids->begin(), ids->end());
  RETURN_IF_ERROR(CheckLength(prompt.tokens, max_tokens, where));
  return prompt;
}

// Which of `size` items is the n-th of a stream without end (size 0: n itself).
uint64_t ItemAt(uint64_t n, int64_t size, uint64_t order_stream) {
  if (size == 0) return n;
  const uint64_t count = static_cast<uint64_t>(size);
  return PermutedIndex(order_stream, n / count, n % count, count);
}

}  // namespace

absl::StatusOr<SampleStream> SampleStream::Create(const DataConfig& config, uint64_t seed,
                                                  std::shared_ptr<const Tokenizer> tokenizer,
                                                  int64_t max_tokens, const std::string& where) {
  RETURN_IF_ERROR(CheckSource(config, where));
  SampleStream stream;
  stream.tokenizer_ = std::move(tokenizer);
  stream.order_stream_ = RandomStream(seed, "sample_order");
  stream.max_tokens_ = max_tokens;
  stream.where_ = where + ".task";
  if (config.has_task()) {
    ASSIGN_OR_RETURN(stream.task_, MakeTask(config.task(), seed, stream.where_));
    for (const Example& longest : stream.task_->LongestExamples()) {
      RETURN_IF_ERROR(Tokenize(*stream.tokenizer_, longest.problem.prompt, longest.completion,
                               max_tokens, stream.where_)
                          .status());
    }
    stream.size_ = config.num_samples();
    return stream;
  }
  ASSIGN_OR_RETURN(const JsonlReader reader, JsonlReader::Open(config.path()));
  auto samples = std::make_shared<std::vector<TokenSample>>(reader.size());
  for (int64_t i = 0; i < reader.size(); ++i) {
    ASSIGN_OR_RETURN(const TextSample text, reader.ReadSample(i));
    ASSIGN_OR_RETURN((*samples)[i], Tokenize(*stream.tokenizer_, text.prompt, text.completion,
                                             max_tokens, reader.Where(i)));
  }
  stream.samples_ = std::move(samples);
  stream.size_ = reader.size();
  return stream;
}

absl::StatusOr<TokenSample> SampleStream::Sample(uint64_t n) const {
  const uint64_t item = ItemAt(n, size_, order_stream_);
  if (samples_ != nullptr) return (*samples_)[item];
  return Tokenize(*tokenizer_, task_->MakeProblem(Split::kTrain, item).prompt,
                  task_->MakeCompletion(Split::kTrain, item, /*with_faults=*/true), max_tokens_,
                  where_);
}

absl::StatusOr<PromptStream> PromptStream::Create(const DataConfig& config, uint64_t seed,
                                                  std::shared_ptr<const Tokenizer> tokenizer,
                                                  int64_t max_tokens, const std::string& where) {
  RETURN_IF_ERROR(CheckSource(config, where));
  PromptStream stream;
  stream.tokenizer_ = std::move(tokenizer);
  stream.order_stream_ = RandomStream(seed, "prompt_order");
  stream.max_tokens_ = max_tokens;
  stream.where_ = where + (config.has_task() ? ".task" : ".path");
  if (config.has_task()) {
    ASSIGN_OR_RETURN(stream.task_, MakeTask(config.task(), seed, stream.where_));
    for (const Example& longest : stream.task_->LongestExamples()) {
      RETURN_IF_ERROR(
          TokenizePrompt(*stream.tokenizer_, longest.problem, max_tokens, stream.where_).status());
    }
    stream.size_ = config.num_samples();
    return stream;
  }
  ASSIGN_OR_RETURN(const JsonlReader reader, JsonlReader::Open(config.path()));
  auto prompts = std::make_shared<std::vector<Prompt>>(reader.size());
  for (int64_t i = 0; i < reader.size(); ++i) {
    ASSIGN_OR_RETURN(Problem problem, reader.ReadProblem(i));
    ASSIGN_OR_RETURN((*prompts)[i], TokenizePrompt(*stream.tokenizer_, std::move(problem),
                                                   max_tokens, reader.Where(i)));
  }
  stream.prompts_ = std::move(prompts);
  stream.size_ = reader.size();
  return stream;
}

absl::StatusOr<Prompt> PromptStream::Get(Split split, uint64_t n) const {
  const bool held_out = split == Split::kHeldOut;
  if (prompts_ != nullptr && held_out) {
    return absl::FailedPreconditionError(
        absl::StrCat(where_, ": found a file, expected a task: only a task has held-out problems"));
  }
  const uint64_t item = held_out ? n : ItemAt(n, size_, order_stream_);
  if (prompts_ != nullptr) return (*prompts_)[item];
  return TokenizePrompt(*tokenizer_, task_->MakeProblem(split, item), max_tokens_, where_);
}

}  // namespace deduce
