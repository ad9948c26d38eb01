#include "data/text/tokenizer/text_pattern.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/tokenizer/json_fields.h"

namespace deduce {

absl::StatusOr<TokenRegex> ReadTextPattern(const nlohmann::json& value, const std::string& where,
                                           const std::string& path) {
  JsonFields fields(value, where, path);
  const bool is_literal = fields.Find("String") != nullptr;
  const char* key = is_literal ? "String" : "Regex";
  const std::string text = fields.Text(key);
  RETURN_IF_ERROR(fields.Done());
  if (text.empty()) return WrongField(where, fields.PathOf(key), "\"\"", "a pattern");
  if (is_literal) return TokenRegex::Literal(text);
  absl::StatusOr<TokenRegex> regex = TokenRegex::Compile(text);
  if (regex.ok()) return regex;
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", fields.PathOf(key), ": ", std::string(regex.status().message())));
}

absl::StatusOr<std::string> ReplaceMatches(const TokenRegex& pattern, std::string_view content,
                                           std::string_view text) {
  ASSIGN_OR_RETURN(const std::vector<RegexStretch> stretches, pattern.Cut(text));
  std::string result;
  for (const RegexStretch& stretch : stretches) {
    result += stretch.matched ? content : text.substr(stretch.begin, stretch.end - stretch.begin);
  }
  return result;
}

}  // namespace deduce
