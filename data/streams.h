// Streams of training samples and prompts whose n-th item is a pure function of (seed, n): nothing
// to save but n.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/config.pb.h"
#include "data/task.h"
#include "data/tokenizer.h"

namespace deduce {

// A supervised sample as tokens: begin, prompt, completion, end.
struct TokenSample {
  std::vector<int32_t> tokens;
  int64_t prompt_length = 0;  // tokens before the completion, the begin token included; at least 1
};

// Where a supervised stage's samples come from. Thread-safe; copies share the data.
class SampleStream {
 public:
  // `max_tokens` bounds the length of a sample, begin and end included. Everything is checked here:
  // every line of a file, the longest example of a task. `where` is the path of `config` in
  // messages. Errors: those of JsonlReader and MakeTask; a sample that is too long (InvalidArgument
  // with file:line, length and limit).
  static absl::StatusOr<SampleStream> Create(const DataConfig& config, uint64_t seed,
                                             std::shared_ptr<const Tokenizer> tokenizer,
                                             int64_t max_tokens, const std::string& where = "data");

  // The n-th sample. Over a file, or a task with num_samples set, every run of size() samples is an
  // epoch: each sample once, in an order of its own.
  absl::StatusOr<TokenSample> Sample(uint64_t n) const;

  // Number of distinct samples; 0: no end.
  int64_t size() const { return size_; }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const Task> task_;                         // or
  std::shared_ptr<const std::vector<TokenSample>> samples_;  // of a file
  int64_t size_ = 0;
  uint64_t order_stream_ = 0;
  int64_t max_tokens_ = 0;
  std::string where_;
};

// A problem with the tokens a rollout begins with.
struct Prompt {
  Problem problem;
  std::vector<int32_t> tokens;  // begin, prompt
};

// Where a reinforcement learning stage's problems, and those of an evaluation, come from.
// Thread-safe; copies share the data.
class PromptStream {
 public:
  // As SampleStream::Create; `max_tokens` bounds a prompt, its begin token included.
  static absl::StatusOr<PromptStream> Create(const DataConfig& config, uint64_t seed,
                                             std::shared_ptr<const Tokenizer> tokenizer,
                                             int64_t max_tokens, const std::string& where = "data");

  // The n-th prompt of a split. kTrain has epochs as in SampleStream; kHeldOut has no end. A file
  // has no held-out problems: FailedPrecondition.
  absl::StatusOr<Prompt> Get(Split split, uint64_t n) const;

  // Number of distinct training problems; 0: no end.
  int64_t size() const { return size_; }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const Task> task_;                    // or
  std::shared_ptr<const std::vector<Prompt>> prompts_;  // of a file
  int64_t size_ = 0;
  uint64_t order_stream_ = 0;
  int64_t max_tokens_ = 0;
  std::string where_;
};

}  // namespace deduce
