// Numbers written in either of two scripts: ASCII digits, or Chinese numerals digit by digit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace deduce {

enum class Script { kAscii, kChinese };

// The script of a Problem's language ("ascii", "chinese"); nothing for any other.
std::optional<Script> ScriptOfLanguage(std::string_view language);

// A number >= 0 in a script; 37 is "37" or U+4E09 U+4E03.
std::string WriteNumeral(int64_t number, Script script);

// The number `text` writes (one script a number, white space around it allowed, U+3007 and U+96F6
// are both zero), as ASCII digits without leading zeros; nothing if it is not one.
std::optional<std::string> ParseNumeral(std::string_view text);

struct NumeralCount {
  int64_t ascii = 0;
  int64_t chinese = 0;
};

// The digits of either script in a text; bytes that are not UTF-8 count as nothing.
NumeralCount CountNumerals(std::string_view text);

}  // namespace deduce
