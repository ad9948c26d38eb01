#include "rl/reward/answer_context.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "data/text/utf8.h"
#include "rl/reward/math_text.h"
#include "rl/reward/math_units.h"

namespace deduce {
namespace {

constexpr size_t kFarthest = 200;  // bytes that are looked at on either side

// Commands that compute, and those that compare.
constexpr std::string_view kComputes[] = {"times", "cdot",  "div",   "pm",  "mp",   "sqrt", "frac",
                                          "dfrac", "tfrac", "binom", "log", "ln",   "sin",  "cos",
                                          "tan",   "pi",    "ne",    "neq", "bmod", "pmod", "mod"};
constexpr std::string_view kCompares[] = {"ge",     "geq",      "le", "leq",   "lt",    "gt",
                                          "approx", "approxeq", "in", "notin", "equiv", "sim"};
// Words that take back a number right behind them.
constexpr std::string_view kVague[] = {
    "about",  "around",   "over",    "under", "but",     "no",      "step",    "page",
    "figure", "question", "problem", "case",  "section", "chapter", "example", "equation"};
// Words of which "... of 6" makes another number.
constexpr std::string_view kParts[] = {"square",   "cube",   "root",     "sum", "product",
                                       "quotient", "digits", "multiple", "log"};

template <size_t N>
bool Has(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool IsDigitOrDollar(char c) { return absl::ascii_isdigit(c) || c == '$'; }

// Signs as ASCII and LaTeX write them; a long dash is a pause.
std::string Plain(std::string_view text) {
  return AsciiMath(absl::StrReplaceAll(std::string(text), {{"\u2014", ", "}}));
}

// The command whose name ends a text, "" if none does.
std::string_view CommandAtEnd(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0 && absl::ascii_isalpha(text[begin - 1])) --begin;
  if (begin == 0 || begin == text.size() || text[begin - 1] != '\\') return "";
  return text.substr(begin);
}

// Whether the brace that ends a text closes \text{...} or another command for letters.
bool ClosesLetters(std::string_view text) {
  int depth = 0;
  for (size_t at = text.size(); at > 0; --at) {
    if (text[at - 1] == '}') ++depth;
    if (text[at - 1] == '{' && --depth == 0) {
      const std::string_view command = CommandAtEnd(text.substr(0, at - 1));
      return command.starts_with("text") || command.starts_with("math");
    }
  }
  return false;
}

// Whether the brace that ends a text opens an argument of something that computes.
bool OpensArgument(std::string_view text) {
  text.remove_suffix(1);
  if (text.empty()) return false;
  return text.back() == '}' || text.back() == '^' || text.back() == '_' ||
         Has(kComputes, CommandAtEnd(text));
}

// Whether what touches an answer from the left makes it a part of something: 2$5$, x$5$, ^$5$.
bool IsPartOf(std::string_view before) {
  const char c = before.back();
  if (absl::ascii_isdigit(c)) return true;
  if (absl::ascii_isalpha(c)) {
    const bool one_letter = before.size() == 1 || !absl::ascii_isalpha(before[before.size() - 2]);
    return one_letter && CommandAtEnd(before).empty();
  }
  if (c == '}') return !ClosesLetters(before);
  return std::string_view(")]^_|/*+%!").find(c) != std::string_view::npos;
}

// Whether an operator, behind white space or not, ends a text: 3 + $5$, x > $5$.
bool EndsWithOperator(std::string_view before, AnswerMark mark) {
  const char c = before.back();
  const std::string_view rest = StripSpace(before.substr(0, before.size() - 1));
  if (c == '{') return OpensArgument(before);
  if (c == '-') return !rest.empty() && (IsDigitOrDollar(rest.back()) || rest.back() == '}');
  const bool bullet = rest.empty() || rest.back() == '\n';
  if (c == '+' || c == '*' || c == '/' || c == '^') return !bullet;
  if (c == '<' || c == '>') return !bullet && mark == AnswerMark::kFormula;
  const std::string_view command = CommandAtEnd(before);
  return Has(kComputes, command) || (mark == AnswerMark::kFormula && Has(kCompares, command));
}

// The words at the end of a text, since the last mark; at most `most`.
std::vector<std::string_view> LastWords(std::string_view text, size_t most) {
  const size_t mark = text.find_last_of(".,;:!?()=\n$\\{}");
  std::vector<std::string_view> words =
      SplitAtAny(mark == text.npos ? text : text.substr(mark + 1), " \t\r'\"");
  if (words.size() > most) words.erase(words.begin(), words.end() - static_cast<int64_t>(most));
  return words;
}

// Whether words make a formula or a box something else: "not", "at least", "$3$ to".
bool IsTakenBack(std::string_view before, AnswerMark mark) {
  const std::string lower = absl::AsciiStrToLower(std::string(before));
  const std::vector<std::string_view> words = LastWords(lower, mark == AnswerMark::kBox ? 1 : 3);
  if (mark == AnswerMark::kBox) return !words.empty() && (words[0] == "not" || words[0] == "never");
  for (const std::string_view word : words) {
    if (ChangesANumber(word)) return true;
  }
  if (TakeNumberBack(words)) return true;
  if (words.empty() || (words.back() != "to" && words.back() != "times" && words.back() != "of"))
    return false;
  const auto place = static_cast<size_t>(words.back().data() - lower.data());
  const std::string_view first = StripSpace(std::string_view(lower).substr(0, place));
  return !first.empty() && (IsDigitOrDollar(first.back()) || first.back() == ')');
}

// The next word of a text, in lower case; taken off it.
std::string TakeWord(std::string_view& text) {
  text = StripSpace(text);
  size_t size = 0;
  while (size < text.size() && absl::ascii_isalpha(text[size])) ++size;
  std::string word = absl::AsciiStrToLower(std::string(text.substr(0, size)));
  text.remove_prefix(size);
  return word;
}

// Takes spaces and what closes or spaces formulas off the beginning of a text.
void SkipClosing(std::string_view& text) {
  for (bool more = true; more;) {
    more = false;
    for (const std::string_view skipped : {" ", "\t", "$", "}", "\\)", "\\]", "\\,", "\\;", "\\!",
                                           "\\ ", "~", "\\text{", "\\quad", "\\qquad"}) {
      if (!text.starts_with(skipped)) continue;
      text.remove_prefix(skipped.size());
      more = true;
    }
  }
}

// The size that a word behind an answer gives it: as SizeAfter.
std::optional<std::string> SizeOfWord(const std::string& word, std::string_view rest) {
  if (word.size() == 1) return word == "a" || word == "i" ? std::optional("") : std::nullopt;
  if (IsWordOfSize(word)) return absl::StrCat(" ", word);
  if (word == "and") {
    return TakeWord(rest) == "a" && ChangesANumber(TakeWord(rest)) ? std::nullopt
                                                                   : std::optional("");
  }
  if (word == "is" || word == "was") {
    const std::string next = TakeWord(rest);
    return next == "wrong" || next == "incorrect" || next == "not" ? std::nullopt
                                                                   : std::optional("");
  }
  if (word == "to" || word == "through") {
    rest = StripSpace(rest);
    const bool is_range = !rest.empty() && (IsDigitOrDollar(rest[0]) || rest.starts_with("\\("));
    return is_range ? std::nullopt : std::optional("");
  }
  if (word == "times" || ChangesANumber(word)) return std::nullopt;
  return "";
}

}  // namespace

std::vector<std::string_view> SplitAtAny(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (size_t at = text.find_first_not_of(separators); at != text.npos;
       at = text.find_first_not_of(separators, at)) {
    const size_t end = std::min(text.find_first_of(separators, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end;
  }
  return parts;
}

std::optional<std::string> SignBefore(std::string_view before, AnswerMark mark) {
  if (before.size() > kFarthest) {
    before.remove_prefix(before.size() - kFarthest);
    // From the beginning of a character on.
    while (!before.empty() && (static_cast<unsigned char>(before[0]) & 0xC0) == 0x80) {
      before.remove_prefix(1);
    }
  }
  const std::string plain = Plain(before);
  std::string_view text = plain;
  std::string sign;
  if (text.ends_with("-") && !text.ends_with("--")) {
    const std::string_view rest = text.substr(0, text.size() - 1);
    const bool is_sign = rest.empty() || absl::ascii_isspace(rest.back()) ||
                         std::string_view("=($:{").find(rest.back()) != std::string_view::npos;
    const std::string_view left = StripSpace(rest);
    const bool subtracts = !left.empty() && left.size() < rest.size() &&
                           (IsDigitOrDollar(left.back()) || left.back() == '}');
    if (!is_sign || subtracts) return std::nullopt;
    sign = "-";
    text = rest;
  } else if (!text.empty() && !absl::ascii_isspace(text.back()) && IsPartOf(text)) {
    return std::nullopt;
  }
  text = StripSpace(text);
  while (mark == AnswerMark::kBox &&
         (text.ends_with("$") || text.ends_with("\\(") || text.ends_with("\\["))) {
    text.remove_suffix(text.ends_with("$") ? 1 : 2);
    text = StripSpace(text);
  }
  if (text.empty()) return sign;
  if (EndsWithOperator(text, mark) || IsTakenBack(text, mark)) return std::nullopt;
  return sign;
}

std::optional<std::string> SizeAfter(std::string_view after) {
  after = after.substr(0, std::min(after.find('\n'), kFarthest));
  const std::string plain = Plain(ReplaceInvalidUtf8(after));
  std::string_view text = plain;
  bool touches = true;
  while (true) {
    const size_t size = text.size();
    SkipClosing(text);
    if (text.size() == size) break;
    touches = false;
  }
  if (text.empty()) return "";
  const char c = text[0];
  if (absl::ascii_isdigit(c)) return touches ? std::nullopt : std::optional("");
  if (absl::ascii_isalpha(c)) {
    const std::string word = TakeWord(text);
    return SizeOfWord(word, text);
  }
  if (c == '%' || text.starts_with("\\%")) return "\\%";
  if (text.starts_with("^\\circ") || text.starts_with("^{\\circ}") ||
      text.starts_with("^\\degree") || text.starts_with("^{\\degree}"))
    return "";
  if (c == '-') {
    const std::string_view next = StripSpace(text.substr(1));
    const bool subtracts = !next.empty() && (IsDigitOrDollar(next[0]) || next.starts_with("\\("));
    return subtracts ? std::nullopt : std::optional("");
  }
  if (text.starts_with("</")) return "";  // a tag
  if (std::string_view("^_*/+<>").find(c) != std::string_view::npos) return std::nullopt;
  if (c == '\\') {
    size_t end = 1;
    while (end < text.size() && absl::ascii_isalpha(text[end])) ++end;
    const std::string_view command = text.substr(1, end - 1);
    if (Has(kComputes, command) || Has(kCompares, command)) return std::nullopt;
  }
  return "";
}

bool TakeNumberBack(std::span<const std::string_view> words) {
  if (words.empty()) return false;
  const std::string_view last = words.back();
  if (Has(kVague, last)) return true;
  if (words.size() < 2) return false;
  const std::string_view other = words[words.size() - 2];
  return (last == "of" && Has(kParts, other)) || (last == "to" && other == "close");
}

}  // namespace deduce
