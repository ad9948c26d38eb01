// The tokenizer: text to token ids and back, read from a Hugging Face tokenizer.json.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "data/text/chat_template/chat_template.h"
#include "data/text/tokenizer/special_tokens.h"

namespace deduce {

// Models "BPE" and "WordLevel" behind the components that the headers in data/text/tokenizer/ name,
// with the ids and texts of the `tokenizers` package. Whatever else a file asks for is an error
// that names the field, never ignored.
class Tokenizer {
 public:
  // Reads a tokenizer.json, or the one in a folder, and what is beside it of tokenizer_config.json,
  // the chat template, and generation_config.json and config.json for the tokens that end a text.
  // Errors: those of ReadTextFile, InvalidArgument (`PATH: field: found X, expected Y`).
  static absl::StatusOr<Tokenizer> Load(const std::string& path);
  // The same from texts; `where` stands for the path of the first in messages. Without a
  // `config_json`, special tokens are added tokens called <|begin|>, <|end|> and <|pad|>. The first
  // of eos_token_ids is the end token where nothing else names one.
  static absl::StatusOr<Tokenizer> FromJson(
      std::string_view json, const std::string& where, std::string_view config_json = "",
      absl::StatusOr<ChatTemplate> chat_template = NoChatTemplate(),
      const std::vector<int32_t>& eos_token_ids = {});

  // Added tokens are found first, then what is between them is normalised, cut to pieces and
  // encoded. With `add_special_tokens` the post-processor puts its tokens before and after;
  // without, nothing does. May be called by several threads. Errors: invalid UTF-8 (with the offset
  // in bytes); a piece that is unknown to a WordLevel model without an unknown token.
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                              bool add_special_tokens = false) const;

  // The text of tokens: valid UTF-8, with U+FFFD for bytes that make no character (yet). Without
  // `with_special` those marked special in the file (begin, end, padding) are left out. A model's
  // vocabulary may be larger than the tokenizer's: ids beyond it read as U+FFFD. Negative ids are a
  // TORCH_CHECK.
  std::string Decode(std::span<const int32_t> ids, bool with_special = true) const;

  // The texts of the files it was read from; config_json() is empty if there was none.
  const std::string& json() const;
  const std::string& config_json() const;

  // Conversations as the model was trained on them. NotFound if the folder says nothing; the
  // template's own error if it cannot be used, which matters to conversations only.
  const absl::StatusOr<ChatTemplate>& chat_template() const;

  // A token as the file writes it, not decoded.
  const std::string& TokenText(int32_t id) const;
  std::optional<int32_t> TokenId(std::string_view text) const;

  // Number of ids, added tokens included; they are 0 .. vocab_size() - 1.
  int64_t vocab_size() const;

  // Not every model has each of these; the three below are a TORCH_CHECK where it has not.
  const SpecialTokens& special_tokens() const;
  int32_t bos_id() const;
  int32_t eos_id() const;
  int32_t pad_id() const;

  // As LoadEosTokenIds gives them.
  const std::vector<int32_t>& eos_token_ids() const;

  // The tokens that end a completion, in order: eos_id(); eos_token_ids(); for a prompt that the
  // chat template wrote (`chat`), the special token by which it ends an assistant's message; and
  // those whose text holds `stop` unless that is empty. InvalidArgument (`found X, expected Y`) if
  // no token holds it: a text that only several tokens make together is not looked for.
  absl::StatusOr<std::vector<int32_t>> EndIds(std::string_view stop, bool chat = false) const;

 private:
  struct Parts;
  explicit Tokenizer(std::shared_ptr<const Parts> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<const Parts> parts_;
};

}  // namespace deduce
