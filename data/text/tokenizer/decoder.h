// The decoder of a tokenizer file: texts of tokens to text.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deduce {

// Knows ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace and Sequence.
class TokenDecoder {
 public:
  TokenDecoder() = default;  // tokens with a space between them
  // `value` is null for none. Errors: `WHERE: decoder...: found X, expected Y`.
  static absl::StatusOr<TokenDecoder> FromJson(const nlohmann::json* value,
                                               const std::string& where);

  // Valid UTF-8: bytes of tokens that make no character become U+FFFD.
  std::string Decode(std::vector<std::string> tokens) const;

 private:
  using Step = std::function<void(std::vector<std::string>&)>;

  absl::Status Read(const nlohmann::json& value, const std::string& where, const std::string& path);

  bool joins_with_space_ = true;
  std::vector<Step> steps_;
};

}  // namespace deduce
