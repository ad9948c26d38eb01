// Streams of training samples and prompts whose n-th item is a pure function of (seed, n): nothing
// to save but n.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"
#include "data/records/jsonl_reader.h"
#include "data/records/row_filter.h"
#include "data/records/sample_encoder.h"
#include "data/tasks/task.h"
#include "data/text/tokenizer/tokenizer.h"

namespace deduce {

// What both streams are made of. `Item`: what a line of a file becomes.
template <typename Item>
struct DataSource {
  // Which of `size` items is the n-th: every run of them is an epoch, each once, in an order of its
  // own. Without a size, n itself.
  uint64_t IndexOf(uint64_t n) const;

  std::shared_ptr<const SampleEncoder> encoder;
  std::shared_ptr<const Task> task;                // or
  std::shared_ptr<const std::vector<Item>> items;  // the rows of a file
  RowReport report;                                // how they were read
  int64_t size = 0;
  uint64_t order_stream = 0;
  std::string where;
};

// Where a supervised stage's samples come from. Thread-safe; copies share the data.
class SampleStream {
 public:
  // `max_tokens` bounds the length of a sample, begin and end included; `turns`: what is learned of
  // conversations. Everything is checked here: every row of a file, the longest example of a task.
  // `where` is the path of `config`, which Validate accepts, in messages. Errors: those of
  // JsonlReader, MakeTask and SampleEncoder, among them a sample that is too long (OutOfRange with
  // file:line, length and limit), unless RowFilter leaves the row out.
  static absl::StatusOr<SampleStream> Create(const DataConfig& config, uint64_t seed,
                                             std::shared_ptr<const Tokenizer> tokenizer,
                                             int64_t max_tokens, const std::string& where = "data",
                                             LearnedTurns turns = LearnedTurns::kLast);

  // The n-th sample. Over a file, or a task with num_samples set, every run of size() samples is an
  // epoch: each sample once, in an order of its own.
  absl::StatusOr<TokenSample> Sample(uint64_t n) const;

  // Number of distinct samples; 0: no end.
  int64_t size() const { return source_.size; }

  const RowReport& report() const { return source_.report; }

 private:
  DataSource<TokenSample> source_;
};

// Where a reinforcement learning stage's problems, and those of an evaluation, come from.
// Thread-safe; copies share the data.
class PromptStream {
 public:
  // As SampleStream::Create; `max_tokens` bounds a prompt, its begin token included. A row whose
  // verifier is none of `verifiers` is an error too; without those, any name is taken. `before`:
  // rows that are left out already, as another stream of the same file reported them.
  static absl::StatusOr<PromptStream> Create(const DataConfig& config, uint64_t seed,
                                             std::shared_ptr<const Tokenizer> tokenizer,
                                             int64_t max_tokens, const std::string& where = "data",
                                             const std::vector<std::string>& verifiers = {},
                                             const RowReport& before = {});

  // The n-th prompt of a split. kTrain has epochs as in SampleStream; kHeldOut has no end. A file
  // has no held-out problems: FailedPrecondition.
  absl::StatusOr<Prompt> Get(Split split, uint64_t n) const;

  // Number of distinct training problems; 0: no end.
  int64_t size() const { return source_.size; }

  // The problems of a file, in its order; null for a task.
  const std::vector<Prompt>* problems() const { return source_.items.get(); }

  const RowReport& report() const { return source_.report; }

  // The tokens that end a completion of a prompt, in order.
  const std::vector<int32_t>& end_ids() const { return source_.encoder->end_ids(chat_); }

 private:
  DataSource<Prompt> source_;
  bool chat_ = false;  // the chat template writes prompts
};

}  // namespace deduce
