// The pre-tokenizer of a tokenizer file: text to the pieces that the model encodes one by one.
#pragma once

#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "data/text/tokenizer/json_fields.h"

namespace deduce {

// The pieces of a text in order, none of them empty; a piece points into the text or, where it was
// changed, into `changed`.
struct TextPieces {
  std::vector<std::string_view> pieces;
  std::deque<std::string> changed;
  bool at_start = false;  // the first piece begins the text that was given to the tokenizer
};

// Knows Split (with any behavior), Digits, ByteLevel, Metaspace and Sequence. ByteLevel must come
// last, and a Metaspace with prepend_scheme "first" first: what they would do elsewhere no family
// uses.
class PreTokenizer {
 public:
  PreTokenizer() = default;  // the text is one piece
  // `value` is null for none. Errors: `WHERE: pre_tokenizer...: found X, expected Y`.
  static absl::StatusOr<PreTokenizer> FromJson(const nlohmann::json* value,
                                               const std::string& where);

  // Cuts pieces further. ResourceExhausted as of TokenRegex.
  absl::Status Apply(TextPieces& text) const;

  // Whether the model sees each byte of a piece as the character of byte_level.h. Pieces are given
  // as they are; the mapping is the model's.
  bool byte_level() const { return byte_level_; }

 private:
  using Step = std::function<absl::Status(TextPieces&)>;

  absl::Status Read(const nlohmann::json& value, const std::string& where, const std::string& path);
  absl::Status ReadSplit(JsonFields& fields);
  absl::Status ReadByteLevel(JsonFields& fields);
  absl::Status ReadMetaspaceStep(JsonFields& fields);

  std::vector<Step> steps_;
  bool byte_level_ = false;
};

}  // namespace deduce
