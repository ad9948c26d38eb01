// {"String": "..."} or {"Regex": "..."}: what components of a tokenizer file look for.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "data/text/tokenizer/regex.h"

namespace deduce {

// Errors: `WHERE: PATH: found X, expected Y`.
absl::StatusOr<TokenRegex> ReadTextPattern(const nlohmann::json& value, const std::string& where,
                                           const std::string& path);

// `text` with `content` in place of every match.
absl::StatusOr<std::string> ReplaceMatches(const TokenRegex& pattern, std::string_view content,
                                           std::string_view text);

}  // namespace deduce
