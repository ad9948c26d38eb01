#include "rl/reward/math_answer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "data/tasks/extract_answer.h"
#include "data/text/utf8.h"
#include "rl/reward/math_number.h"

namespace deduce {
namespace {

// Replaces every `from`; a command (\name) only where its name ends there.
void ReplaceAll(std::string& text, std::string_view from, std::string_view to) {
  const bool is_command = from[0] == '\\' && absl::ascii_isalpha(from.back());
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    const size_t end = at + from.size();
    if (is_command && end < text.size() && absl::ascii_isalpha(text[end])) {
      at = end;
      continue;
    }
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

// Offset behind the brace that closes the one at `open`; nothing if none does.
std::optional<size_t> EndOfGroup(std::string_view text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return i + 1;
  }
  return std::nullopt;
}

// The text inside the last complete \boxed{...}.
std::optional<std::string_view> LastBoxed(std::string_view text) {
  constexpr std::string_view kBoxed = "\\boxed{";
  for (size_t at = text.rfind(kBoxed); at != std::string_view::npos;
       at = at == 0 ? std::string_view::npos : text.rfind(kBoxed, at - 1)) {
    const size_t open = at + kBoxed.size() - 1;
    if (const auto end = EndOfGroup(text, open)) return text.substr(open + 1, *end - open - 2);
  }
  return std::nullopt;
}

// The text between the last pair of math delimiters.
std::optional<std::string_view> LastFormula(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
      {"$$", "$$"}, {"\\[", "\\]"}, {"\\(", "\\)"}, {"$", "$"}};
  for (const auto& [open, close] : kPairs) {
    const size_t end = text.rfind(close);
    if (end == std::string_view::npos || end == 0) continue;
    const size_t begin = text.rfind(open, end - 1);
    if (begin == std::string_view::npos || begin + open.size() > end) continue;
    return text.substr(begin + open.size(), end - begin - open.size());
  }
  return std::nullopt;
}

std::string_view FinalAnswer(std::string_view text) {
  if (const auto boxed = LastBoxed(text)) return *boxed;
  if (const auto formula = LastFormula(text)) return *formula;
  constexpr std::string_view kPhrase = "answer is";
  const size_t phrase = text.rfind(kPhrase);
  return phrase == std::string_view::npos ? text : text.substr(phrase + kPhrase.size());
}

// Typesetting that does not change a value, and several spellings of one sign.
std::string Normalised(std::string_view raw) {
  static constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
      {"\\! ", ""},      {"\\!", ""},      {"\\$", ""},           {"$", ""},
      {"\\left", ""},    {"\\right", ""},  {"\\,", " "},          {"\\;", " "},
      {"\\:", " "},      {"\\ ", " "},     {"\\quad", " "},       {"\\qquad", " "},
      {"~", " "},        {"\\text", " "},  {"\\mathrm", " "},     {"\\textbf", " "},
      {"\\mathbf", " "}, {"\\mbox", " "},  {"\\dfrac", "\\frac"}, {"\\tfrac", "\\frac"},
      {"^{\\circ}", ""}, {"^\\circ", ""},  {"\u00b0", ""},        {"\\%", "%"},
      {" pct", "%"},     {"\\times", "*"}, {"\\cdot", "*"},       {"\\div", "/"},
      {"\\leq", "<="},   {"\\le", "<="},   {"\\geq", ">="},       {"\\ge", ">="},
      {"\\lt", "<"},     {"\\gt", ">"},    {"\\neq", "!="},       {"\\ne", "!="},
      {"\u2212", "-"},   {"\u00d7", "*"},  {"\u20ac", ""}};
  std::string text(raw);
  for (const auto& [from, to] : kSpellings) ReplaceAll(text, from, to);
  std::string_view rest = StripSpace(text);
  while (!rest.empty() && (rest.back() == '.' || rest.back() == ',')) {
    rest = StripSpace(rest.substr(0, rest.size() - 1));
  }
  return std::string(rest);
}

bool IsName(std::string_view text) {
  return !text.empty() && absl::ascii_isalpha(text[0]) &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalpha(c) || absl::ascii_isdigit(c) || c == '_';
         });
}

// A calculation with numbers only.
bool IsCalculation(std::string_view text) {
  return text.find_first_of("0123456789") != text.npos &&
         text.find_first_not_of("0123456789.+-*/^() ") == text.npos;
}

// `x = 5` is 5, and so are `2 + 3 = 5` and `x = 2 + 3 = 5`: what follows the last equals sign
// behind names, or a number behind calculations. Other equations stay whole.
std::string_view WithoutWorking(std::string_view text) {
  if (text.find_first_of("<>!") != text.npos) return text;
  bool calculated = false;
  std::string_view rest = text;
  for (size_t equals = rest.find('='); equals != rest.npos; equals = rest.find('=')) {
    const std::string_view before = StripSpace(rest.substr(0, equals));
    if (!IsName(before) && !IsCalculation(before)) return text;
    calculated |= !IsName(before);
    rest = StripSpace(rest.substr(equals + 1));
  }
  return calculated && !EvaluateNumber(rest) ? text : rest;
}

// The text without spaces and braces; in lower case if it is a word.
std::string Letters(std::string_view text) {
  std::string letters;
  for (const char c : text) {
    if (!absl::ascii_isspace(c) && c != '{' && c != '}') letters += c;
  }
  if (letters.size() > 2 && letters.front() == '(' && letters.back() == ')' &&
      letters.find_first_of("(),;", 1) == letters.size() - 1) {
    letters = letters.substr(1, letters.size() - 2);
  }
  if (std::all_of(letters.begin(), letters.end(), absl::ascii_isalpha)) {
    absl::AsciiStrToLower(&letters);
  }
  return letters;
}

// The last number of running text. Nothing if the text holds signs of a formula: `4\sqrt{2}` must
// not become 2.
std::optional<Rational> LastNumber(std::string_view text) {
  for (const char c : text) {
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    if (ascii && absl::ascii_ispunct(c) &&
        std::string_view(".,-/%'!?:;{}\"").find(c) == std::string_view::npos) {
      return std::nullopt;
    }
  }
  constexpr std::string_view kNumeric = "0123456789.,/";
  size_t end = text.find_last_of("0123456789");
  if (end == std::string_view::npos) return std::nullopt;
  size_t begin = text.find_last_not_of(kNumeric, end);
  begin = begin == std::string_view::npos ? 0 : begin + 1;
  const bool negative = begin > 0 && text[begin - 1] == '-';
  if (negative) --begin;
  if (begin > 0 && absl::ascii_isalpha(text[begin - 1])) return std::nullopt;  // x2 is a name
  ++end;
  // A single letter that follows at once is a factor, not a unit: 2p is not 2.
  if (end < text.size() && absl::ascii_isalpha(text[end])) return std::nullopt;
  if (end < text.size() && text[end] == '%') ++end;
  return EvaluateNumber(text.substr(begin, end - begin));
}

}  // namespace

Verdict GradeMathAnswer(std::string_view gold, std::string_view answer) {
  const std::string gold_text = Normalised(FinalAnswer(gold));
  const std::string answer_text = Normalised(FinalAnswer(answer));
  const std::string_view gold_value = WithoutWorking(gold_text);
  const std::string_view answer_value = WithoutWorking(answer_text);
  if (Letters(gold_value).empty()) return Verdict::kUnscorable;
  std::optional<Rational> gold_number = EvaluateNumber(gold_value);
  std::optional<Rational> answer_number = EvaluateNumber(answer_value);
  if (gold_number && !answer_number) answer_number = LastNumber(answer_value);
  if (answer_number && !gold_number) gold_number = LastNumber(gold_value);
  if (gold_number && answer_number) {
    return *gold_number == *answer_number ? Verdict::kRight : Verdict::kWrong;
  }
  const std::string gold_letters = Letters(gold_value);
  return gold_letters == Letters(answer_value) ? Verdict::kRight : Verdict::kWrong;
}

Grade MathVerifier::Verify(const Problem& problem, const std::string& completion) const {
  return AllOrNothing(
      GradeMathAnswer(problem.answer, ExtractAnswer(completion).value_or(completion)));
}

}  // namespace deduce
