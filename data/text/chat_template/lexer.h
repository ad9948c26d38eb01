// A template's text cut into tokens, with Jinja's trim_blocks and lstrip_blocks on, as transformers
// sets them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace deduce::jinja {

enum class TokenKind {
  kData,  // text outside of tags, trimmed
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,  // unescaped
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind;
  std::string text;
  int line;  // from 1
};

// The last token is kEnd. Errors begin with `WHERE:LINE: `: text that is not UTF-8, a character or
// an escape that does not belong, tags and brackets that do not close.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source, const std::string& where);

}  // namespace deduce::jinja
