// From texts to the tokens that a model is trained on or asked with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/data.pb.h"
#include "data/records/chat_text.h"
#include "data/tasks/task.h"
#include "data/text/tokenizer/tokenizer.h"

namespace deduce {

// A supervised sample as tokens: begin, prompt, completion, end.
struct TokenSample {
  std::vector<int32_t> tokens;  // more than prompt_length
  // Tokens before the completion, the begin token included; 1 where there are none, since a first
  // token has nothing that could predict it.
  int64_t prompt_length = 0;
  // 1 for each token that is learned, 0 for the others. Empty: the tokens of the completion are.
  std::vector<uint8_t> learned = {};
};

// A problem with the tokens a rollout begins with.
struct Prompt {
  Problem problem;              // its prompt as the model sees it
  std::vector<int32_t> tokens;  // begin, prompt
};

// Thread-safe; copies share the tokenizer.
class SampleEncoder {
 public:
  // Frames prompts as `config` says. `max_tokens` bounds what comes out, begin and end included.
  // Its template holds {prompt} once, as validated. Errors, with `where` as the path of `config`: a
  // chat or a system message without chat template; a tokenizer without a token that ends a text,
  // since a sample must end and a rollout be able to; a stop that no token holds.
  static absl::StatusOr<SampleEncoder> Create(const DataConfig& config,
                                              std::shared_ptr<const Tokenizer> tokenizer,
                                              int64_t max_tokens, const std::string& where);

  // Errors begin with `where`. OutOfRange: more tokens than max_tokens. FailedPrecondition: a
  // prompt that is a text and no chat, where `config` has a system message. InvalidArgument: a text
  // that the tokenizer cannot encode; no token to train on or to begin with; LearnedTokens'.
  absl::StatusOr<TokenSample> EncodeSample(const TextSample& text, const std::string& where) const;
  absl::StatusOr<Prompt> EncodePrompt(Problem problem, const std::string& where) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }

  // Tokenizer::EndIds with the config's stop. chat: where the chat template wrote the prompt.
  const std::vector<int32_t>& end_ids(bool chat) const { return chat ? chat_end_ids_ : end_ids_; }

 private:
  SampleEncoder() = default;
  absl::StatusOr<TextPrompt> Framed(const std::string& prompt, bool whole) const;
  absl::StatusOr<TokenSample> Tokens(const TextSample& text) const;
  absl::StatusOr<std::vector<int32_t>> Begin(const TextPrompt& prompt) const;
  absl::Status CheckLength(const std::vector<int32_t>& tokens, int64_t least) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::string before_, after_;  // the template's text around {prompt}
  std::vector<int32_t> end_ids_, chat_end_ids_;
  bool chat_ = false;
  std::optional<std::string> system_;
  int64_t max_tokens_ = 0;
};

}  // namespace deduce
