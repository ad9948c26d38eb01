// Regular expressions as tokenizer files write them (Oniguruma's syntax), rewritten for PCRE2.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace deduce {

struct Pcre2Pattern {
  std::string plain;
  // The same with the characters of unicode_additions.h in their categories. Several times slower,
  // and needed only for a text that has such a character.
  std::string extended;
};

// Takes what means the same in both once white space is spelled out: literals, `.`, `^`, `$`,
// classes without nesting, groups (capturing, (?:, (?i:, (?=, (?!, (?<=, (?<!, (?>), alternation,
// quantifiers, \s \S \d \D \p{L} \P{L} (general categories but C), \n \r \t \f \0 \xHH and escaped
// punctuation. Everything else is InvalidArgument, `found X at byte N, expected ...` without a
// WHERE; so are texts that are not UTF-8. Whether brackets match is left to PCRE2.
absl::StatusOr<Pcre2Pattern> TranslateRegex(std::string_view pattern);

}  // namespace deduce
