#include "data/tasks/numerals.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "c10/util/Exception.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

// Chinese digits 0 to 9; U+96F6 is the other way to write zero.
constexpr std::array<std::string_view, 10> kChineseDigits = {"\u3007", "\u4e00", "\u4e8c", "\u4e09",
                                                             "\u56db", "\u4e94", "\u516d", "\u4e03",
                                                             "\u516b", "\u4e5d"};
constexpr std::string_view kOtherZero = "\u96f6";

struct Digit {
  int value;
  Script script;
};

// The digit that a single character is, if any.
std::optional<Digit> ReadDigit(std::string_view character) {
  if (character.size() == 1 && absl::ascii_isdigit(static_cast<unsigned char>(character[0]))) {
    return Digit{character[0] - '0', Script::kAscii};
  }
  if (character == kOtherZero) return Digit{0, Script::kChinese};
  for (int value = 0; value < 10; ++value) {
    if (character == kChineseDigits[value]) return Digit{value, Script::kChinese};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Script> ScriptOfLanguage(std::string_view language) {
  if (language == "ascii") return Script::kAscii;
  if (language == "chinese") return Script::kChinese;
  return std::nullopt;
}

std::string WriteNumeral(int64_t number, Script script) {
  TORCH_CHECK(number >= 0, "number ", number);
  const std::string ascii = absl::StrCat(number);
  if (script == Script::kAscii) return ascii;
  std::string chinese;
  for (const char digit : ascii) chinese += kChineseDigits[digit - '0'];
  return chinese;
}

std::optional<std::string> ParseNumeral(std::string_view text) {
  text = StripSpace(text);
  std::string digits;
  std::optional<Script> script;
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text, i);
    const std::optional<Digit> digit = ReadDigit(text.substr(i, length));
    if (!digit || (script && *script != digit->script)) return std::nullopt;
    script = digit->script;
    digits += static_cast<char>('0' + digit->value);
    i += length;
  }
  if (digits.empty()) return std::nullopt;
  const size_t first = digits.find_first_not_of('0');
  return first == std::string::npos ? "0" : digits.substr(first);
}

NumeralCount CountNumerals(std::string_view text) {
  NumeralCount count;
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text, i);
    if (const std::optional<Digit> digit = ReadDigit(text.substr(i, length))) {
      ++(digit->script == Script::kAscii ? count.ascii : count.chinese);
    }
    i += length == 0 ? 1 : length;
  }
  return count;
}

}  // namespace deduce
