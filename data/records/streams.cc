#include "data/records/streams.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/records/jsonl_reader.h"
#include "data/records/permutation.h"
#include "data/tasks/registry.h"
#include "kernels/random.h"

namespace deduce {
namespace {

// `encode` and `read` say what an example of a task and a line of a file become; the first only
// checks the longest examples.
template <typename Item, typename Encode, typename Read>
absl::StatusOr<DataSource<Item>> MakeSource(const DataConfig& config, uint64_t seed,
                                            const std::string& order,
                                            std::shared_ptr<const Tokenizer> tokenizer,
                                            int64_t max_tokens, const std::string& where,
                                            LearnedTurns turns, const RowReport& before,
                                            const Encode& encode, const Read& read) {
  ASSIGN_OR_RETURN(SampleEncoder encoder,
                   SampleEncoder::Create(config, std::move(tokenizer), max_tokens, where));
  DataSource<Item> source;
  source.order_stream = RandomStream(seed, order);
  source.encoder = std::make_shared<const SampleEncoder>(std::move(encoder));
  source.where = where + (config.has_task() ? ".task" : ".path");
  if (config.has_task()) {
    ASSIGN_OR_RETURN(source.task, MakeTask(config.task(), seed, source.where));
    for (const Example& longest : source.task->LongestExamples()) {
      RETURN_IF_ERROR(encode(*source.encoder, longest, source.where).status());
    }
    source.size = config.num_samples();
    return source;
  }
  ASSIGN_OR_RETURN(
      const JsonlReader reader,
      JsonlReader::Open(config.path(), OptionsOfRows(config, source.encoder->tokenizer(), turns)));
  RowFilter filter(config, reader.size(), before);
  auto items = std::make_shared<std::vector<Item>>();
  for (int64_t i = 0; i < reader.size(); ++i) {
    if (filter.LeftOutAlready(i)) continue;
    absl::StatusOr<Item> item = read(*source.encoder, reader, i);
    ASSIGN_OR_RETURN(const bool used, filter.Uses(i, item.status()));
    if (used) items->push_back(*std::move(item));
  }
  ASSIGN_OR_RETURN(source.report, filter.Finish(config.path()));
  source.size = static_cast<int64_t>(items->size());
  source.items = std::move(items);
  return source;
}

}  // namespace

template <typename Item>
uint64_t DataSource<Item>::IndexOf(uint64_t n) const {
  if (size == 0) return n;
  const uint64_t count = static_cast<uint64_t>(size);
  return PermutedIndex(order_stream, n / count, n % count, count);
}

absl::StatusOr<SampleStream> SampleStream::Create(const DataConfig& config, uint64_t seed,
                                                  std::shared_ptr<const Tokenizer> tokenizer,
                                                  int64_t max_tokens, const std::string& where,
                                                  LearnedTurns turns) {
  SampleStream stream;
  ASSIGN_OR_RETURN(
      stream.source_,
      MakeSource<TokenSample>(
          config, seed, "sample_order", std::move(tokenizer), max_tokens, where, turns, {},
          [](const SampleEncoder& encoder, const Example& example, const std::string& at) {
            return encoder.EncodeSample({example.problem.prompt, example.completion}, at);
          },
          [](const SampleEncoder& encoder, const JsonlReader& reader,
             int64_t i) -> absl::StatusOr<TokenSample> {
            ASSIGN_OR_RETURN(const TextSample text, reader.ReadSample(i));
            return encoder.EncodeSample(text, reader.Where(i));
          }));
  return stream;
}

absl::StatusOr<TokenSample> SampleStream::Sample(uint64_t n) const {
  const uint64_t index = source_.IndexOf(n);
  if (source_.items != nullptr) return (*source_.items)[index];
  const Task& task = *source_.task;
  return source_.encoder->EncodeSample(
      {task.MakeProblem(Split::kTrain, index).prompt,
       task.MakeCompletion(Split::kTrain, index, /*with_faults=*/true)},
      source_.where);
}

absl::StatusOr<PromptStream> PromptStream::Create(const DataConfig& config, uint64_t seed,
                                                  std::shared_ptr<const Tokenizer> tokenizer,
                                                  int64_t max_tokens, const std::string& where,
                                                  const std::vector<std::string>& verifiers,
                                                  const RowReport& before) {
  PromptStream stream;
  ASSIGN_OR_RETURN(
      stream.source_,
      MakeSource<Prompt>(
          config, seed, "prompt_order", std::move(tokenizer), max_tokens, where,
          LearnedTurns::kLast, before,
          [](const SampleEncoder& encoder, const Example& example, const std::string& at) {
            return encoder.EncodePrompt(example.problem, at);
          },
          [&](const SampleEncoder& encoder, const JsonlReader& reader,
              int64_t i) -> absl::StatusOr<Prompt> {
            ASSIGN_OR_RETURN(Problem problem, reader.ReadProblem(i, verifiers));
            return encoder.EncodePrompt(std::move(problem), reader.Where(i));
          }));
  stream.chat_ = config.chat();
  if (stream.source_.items != nullptr) {
    for (const Prompt& prompt : *stream.source_.items) stream.chat_ |= prompt.problem.whole_prompt;
  }
  return stream;
}

absl::StatusOr<Prompt> PromptStream::Get(Split split, uint64_t n) const {
  const bool held_out = split == Split::kHeldOut;
  if (source_.items != nullptr && held_out) {
    return absl::FailedPreconditionError(absl::StrCat(
        source_.where, ": found a file, expected a task: only a task has held-out problems"));
  }
  const uint64_t index = held_out ? n : source_.IndexOf(n);
  if (source_.items != nullptr) return (*source_.items)[index];
  return source_.encoder->EncodePrompt(source_.task->MakeProblem(split, index), source_.where);
}

}  // namespace deduce
