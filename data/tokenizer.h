// The tokenizer: text to token ids and back, read from a Hugging Face tokenizer.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace deduce {

// Reads the part of the format that this project writes: a "WordLevel" model behind a "Split"
// pre-tokenizer that isolates every Unicode character, added tokens, and the "Fuse" decoder.
// Whatever else a file asks for is an error that names the field, never ignored.
class Tokenizer {
 public:
  // Errors: those of ReadTextFile, InvalidArgument (`PATH: field: found X, expected Y`).
  static absl::StatusOr<Tokenizer> Load(const std::string& path);
  // The same from the text of a file; `where` stands for its path in messages.
  static absl::StatusOr<Tokenizer> FromJson(std::string_view text, const std::string& where);

  // Added tokens are found first (leftmost, then longest), then every character is looked up; a
  // character that is not in the vocabulary becomes the unknown token. No token is put before or
  // after. Errors: invalid UTF-8 (with the offset in bytes), and an unknown character when the file
  // names no unknown token.
  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text) const;

  // The texts of the tokens, joined. Without `with_special` those marked special in the file
  // (begin, end, padding) are left out. A model's vocabulary may be larger than the tokenizer's:
  // ids beyond it read as U+FFFD. Negative ids are a TORCH_CHECK.
  std::string Decode(std::span<const int32_t> ids, bool with_special = true) const;

  // The text of the file it was read from.
  const std::string& json() const { return json_; }

  const std::string& TokenText(int32_t id) const;
  std::optional<int32_t> TokenId(std::string_view text) const;

  // Number of ids, added tokens included; they are 0 .. vocab_size() - 1.
  int64_t vocab_size() const { return static_cast<int64_t>(texts_.size()); }
  int32_t bos_id() const { return bos_id_; }  // <|begin|>
  int32_t eos_id() const { return eos_id_; }  // <|end|>
  int32_t pad_id() const { return pad_id_; }  // <|pad|>

 private:
  friend class TokenizerReader;
  Tokenizer() = default;

  // Appends the ids of text without added tokens, whose first byte is `offset` bytes into what the
  // caller was given.
  absl::Status EncodePieces(std::string_view text, size_t offset, std::vector<int32_t>& ids) const;

  std::string json_;
  std::vector<std::string> texts_;                      // by id
  std::vector<bool> special_;                           // by id
  std::map<std::string, int32_t, std::less<>> ids_;     // by text
  std::vector<std::pair<std::string, int32_t>> added_;  // longest first
  std::optional<int32_t> unk_id_;
  bool joins_newlines_ =
      false;  // the pattern "." does not match a line feed: a run of them is one piece
  int32_t bos_id_ = 0, eos_id_ = 0, pad_id_ = 0;
};

}  // namespace deduce
