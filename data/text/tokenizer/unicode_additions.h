// Characters that Unicode got after version 13, up to 16: what an older PCRE2 does not know.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace deduce {

struct UnicodeAddition {
  uint32_t first, last;
  char category[3];  // general category: "Lo"
};

// By code point, without overlap; letters, marks, numbers, punctuation, symbols.
std::span<const UnicodeAddition> UnicodeAdditions();

// Those of a general category, "L" or "Lo", as the inside of a regular expression's class:
// "\x{870}-\x{887}...".
std::string AdditionsAsClass(std::string_view category);

// Whether a character of the table is in `text`, which is valid UTF-8.
bool HasUnicodeAddition(std::string_view text);

}  // namespace deduce
