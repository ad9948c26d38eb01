// The normalizer of a tokenizer file: text to text, before it is cut to pieces.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deduce {

// Knows NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip and Sequence.
class TextNormalizer {
 public:
  TextNormalizer() = default;  // changes nothing
  // `value` is null for none. Errors: `WHERE: normalizer...: found X, expected Y`.
  static absl::StatusOr<TextNormalizer> FromJson(const nlohmann::json* value,
                                                 const std::string& where);

  bool empty() const { return steps_.empty(); }
  // `text` is valid UTF-8. ResourceExhausted as of TokenRegex.
  absl::Status Apply(std::string& text) const;

 private:
  using Step = std::function<absl::Status(std::string&)>;

  absl::Status Read(const nlohmann::json& value, const std::string& where, const std::string& path);

  std::vector<Step> steps_;
};

}  // namespace deduce
