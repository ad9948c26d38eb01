#include "data/records/sample_encoder.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "c10/util/Exception.h"
#include "configs/status.h"
#include "data/records/learned_tokens.h"
#include "nlohmann/json.hpp"

namespace deduce {
namespace {

constexpr char kPlace[] = "{prompt}";

absl::Status Prefixed(const std::string& where, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(where, ": ", status.message()));
}

}  // namespace

absl::StatusOr<SampleEncoder> SampleEncoder::Create(const DataConfig& config,
                                                    std::shared_ptr<const Tokenizer> tokenizer,
                                                    int64_t max_tokens, const std::string& where) {
  const std::string& frame = config.prompt_template();
  const size_t place = frame.find(kPlace);
  TORCH_CHECK(place != std::string::npos, "prompt_template without {prompt}: ", frame);
  if (config.chat() && !tokenizer->chat_template().ok()) {
    return Prefixed(where + ".chat", tokenizer->chat_template().status());
  }
  if (config.has_system() && !tokenizer->chat_template().ok()) {
    return Prefixed(where + ".system", tokenizer->chat_template().status());
  }
  if (!tokenizer->special_tokens().eos) {
    return absl::InvalidArgumentError(absl::StrCat(
        where,
        ": found a tokenizer without a token that ends a text, expected eos_token in the "
        "tokenizer_config.json beside it, or <|end|>"));
  }
  absl::StatusOr<std::vector<int32_t>> end_ids = tokenizer->EndIds(config.stop());
  if (!end_ids.ok()) return Prefixed(where + ".stop", end_ids.status());
  SampleEncoder encoder;
  encoder.end_ids_ = *std::move(end_ids);
  ASSIGN_OR_RETURN(encoder.chat_end_ids_, tokenizer->EndIds(config.stop(), /*chat=*/true));
  encoder.tokenizer_ = std::move(tokenizer);
  encoder.before_ = frame.substr(0, place);
  encoder.after_ = frame.substr(place + sizeof(kPlace) - 1);
  encoder.chat_ = config.chat();
  if (config.has_system()) encoder.system_ = config.system();
  encoder.max_tokens_ = max_tokens;
  return encoder;
}

// Conversations, which are whole, and samples without a prompt stay as they are.
absl::StatusOr<TextPrompt> SampleEncoder::Framed(const std::string& prompt, bool whole) const {
  if (whole || prompt.empty()) return TextPrompt{prompt, whole};
  const std::string text = absl::StrCat(before_, prompt, after_);
  if (!chat_ && system_) {
    return absl::FailedPreconditionError(
        "found a prompt that is a text, expected messages, or data.chat: true, as data.system is "
        "for the chat template to write");
  }
  if (!chat_) return TextPrompt{text, false};
  auto messages = nlohmann::ordered_json::array();
  if (system_) messages.push_back({{"role", "system"}, {"content", *system_}});
  messages.push_back({{"role", "user"}, {"content", text}});
  return ChatPrompt(messages, tokenizer_->chat_template());
}

absl::StatusOr<std::vector<int32_t>> SampleEncoder::Begin(const TextPrompt& prompt) const {
  ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer_->Encode(prompt.text));
  const SpecialTokens& special = tokenizer_->special_tokens();
  if (special.adds_bos && !prompt.whole) ids.insert(ids.begin(), *special.bos);
  return ids;
}

absl::Status SampleEncoder::CheckLength(const std::vector<int32_t>& tokens, int64_t least) const {
  const int64_t size = static_cast<int64_t>(tokens.size());
  if (size >= least && size <= max_tokens_) return absl::OkStatus();
  const std::string found = absl::StrCat("found ", size, " tokens, expected ");
  if (size < least) return absl::InvalidArgumentError(absl::StrCat(found, "at least ", least));
  return absl::OutOfRangeError(absl::StrCat(found, "at most ", max_tokens_));
}

absl::StatusOr<TokenSample> SampleEncoder::Tokens(const TextSample& text) const {
  ASSIGN_OR_RETURN(const TextPrompt prompt, Framed(text.prompt, text.whole));
  TokenSample sample;
  ASSIGN_OR_RETURN(sample.tokens, Begin(prompt));
  // Nothing predicts a text's first token where there is neither a prompt nor a begin token.
  sample.prompt_length = std::max<int64_t>(static_cast<int64_t>(sample.tokens.size()), 1);
  ASSIGN_OR_RETURN(const std::vector<int32_t> completion, tokenizer_->Encode(text.completion));
  const bool in_parts = !text.learned.empty();
  TORCH_CHECK(!in_parts || (text.whole && sample.tokens.empty()), "learned parts behind a prompt");
  sample.tokens.insert(sample.tokens.end(), completion.begin(), completion.end());
  sample.tokens.push_back(tokenizer_->eos_id());
  RETURN_IF_ERROR(CheckLength(sample.tokens, sample.prompt_length + 1));
  if (!in_parts) return sample;
  ASSIGN_OR_RETURN(sample.learned,
                   LearnedTokens(*tokenizer_, text.completion, completion, text.learned));
  sample.learned.push_back(text.learned.back().end == text.completion.size() ? 1 : 0);
  const auto first = std::find(sample.learned.begin() + 1, sample.learned.end(), 1);
  if (first == sample.learned.end())
    return absl::InvalidArgumentError("found no token to learn, expected some");
  sample.prompt_length = first - sample.learned.begin();
  return sample;
}

absl::StatusOr<TokenSample> SampleEncoder::EncodeSample(const TextSample& text,
                                                        const std::string& where) const {
  absl::StatusOr<TokenSample> sample = Tokens(text);
  if (!sample.ok()) return Prefixed(where, sample.status());
  return sample;
}

absl::StatusOr<Prompt> SampleEncoder::EncodePrompt(Problem problem,
                                                   const std::string& where) const {
  const auto encode = [&]() -> absl::StatusOr<Prompt> {
    ASSIGN_OR_RETURN(TextPrompt framed, Framed(problem.prompt, problem.whole_prompt));
    Prompt prompt;
    ASSIGN_OR_RETURN(prompt.tokens, Begin(framed));
    RETURN_IF_ERROR(CheckLength(prompt.tokens, 1));
    prompt.problem = std::move(problem);
    prompt.problem.prompt = std::move(framed.text);
    prompt.problem.whole_prompt = framed.whole;
    return prompt;
  };
  absl::StatusOr<Prompt> prompt = encode();
  if (!prompt.ok()) return Prefixed(where, prompt.status());
  return prompt;
}

}  // namespace deduce
