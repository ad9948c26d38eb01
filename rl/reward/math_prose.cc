#include "rl/reward/math_prose.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"
#include "data/text/utf8.h"
#include "rl/reward/answer_context.h"
#include "rl/reward/math_text.h"
#include "rl/reward/math_units.h"

namespace deduce {
namespace {

constexpr size_t kLongestSentence = 2000;

bool IsWordByte(char c) { return absl::ascii_isalnum(c) || static_cast<unsigned char>(c) >= 0x80; }

// Whether a run of stars at [begin, end) can open or close emphasis: 2*3 and 2 ** 3 have none.
bool OpensEmphasis(std::string_view text, size_t begin, size_t end) {
  const bool word_before = begin > 0 && (IsWordByte(text[begin - 1]) || text[begin - 1] == ')');
  return !word_before && end < text.size() && !absl::ascii_isspace(text[end]);
}
bool ClosesEmphasis(std::string_view text, size_t begin, size_t end) {
  const bool word_after = end < text.size() && (IsWordByte(text[end]) || text[end] == '(');
  return !word_after && begin > 0 && !absl::ascii_isspace(text[begin - 1]);
}

// One line without stars, or double underscores, that come in pairs.
std::string WithoutPairs(std::string_view line, char mark) {
  struct Run {
    size_t begin, end;
    bool dropped = false;
  };
  std::vector<Run> runs;
  std::vector<size_t> open;  // places in `runs`
  for (size_t at = line.find(mark), end = 0; at != line.npos; at = line.find(mark, end)) {
    end = std::min(line.find_first_not_of(mark, at), line.size());
    if (mark == '_' && end - at != 2) continue;  // x_1
    runs.push_back({at, end});
    Run& run = runs.back();
    if (!open.empty() && runs[open.back()].end - runs[open.back()].begin == end - at &&
        ClosesEmphasis(line, at, end)) {
      runs[open.back()].dropped = run.dropped = true;
      open.pop_back();
    } else if (OpensEmphasis(line, at, end)) {
      open.push_back(runs.size() - 1);
    }
  }
  std::string result;
  size_t begin = 0;
  for (const Run& run : runs) {
    if (!run.dropped) continue;
    result += line.substr(begin, run.begin - begin);
    begin = run.end;
  }
  result += line.substr(begin);
  return result;
}

// A word of a sentence without the punctuation around it.
std::string_view Bare(std::string_view word) {
  constexpr std::string_view kBefore = "(\"'", kAfter = ",;:.!?)\"'";
  while (!word.empty() && kBefore.find(word.front()) != kBefore.npos) word.remove_prefix(1);
  while (!word.empty() && kAfter.find(word.back()) != kAfter.npos) word.remove_suffix(1);
  return word;
}

bool HasDigit(std::string_view text) {
  return text.find_first_of("0123456789") != std::string_view::npos;
}

// Whether a character beyond Latin may make a number another one: signs, words of alphabets that
// are not known here, and Chinese for "minus", "not", "about", "at least" and the like.
bool MayChangeANumber(uint32_t code) {
  constexpr uint32_t kFirstBeyondLatin = 0x370, kFirstOfSigns = 0x2000;
  constexpr std::u32string_view kChinese = U"负非不约近至超过少多于加减乘除半倍或每";
  return IsMathSign(code) || (code >= kFirstBeyondLatin && code < kFirstOfSigns) ||
         kChinese.find(static_cast<char32_t>(code)) != kChinese.npos;
}

// A word that leaves a number in its sentence what it is.
bool IsPlainWord(std::string_view word) {
  if (word.size() == 1 && word != "a" && word != "A" && word != "I") return false;
  for (size_t at = 0; at < word.size();) {
    const size_t length = std::max<size_t>(CharacterLength(word, at), 1);
    if (length > 1 && MayChangeANumber(CodePoint(word.substr(at, length)))) return false;
    const bool inside = at > 0 && at + 1 < word.size();
    if (length == 1 && !IsWordByte(word[at]) &&
        !(inside && (word[at] == '-' || word[at] == '\''))) {
      return false;
    }
    at += length;
  }
  if (word.size() > 1 && word[1] == '\'' && word[0] != 'I') return false;  // x's
  const std::string lower = absl::AsciiStrToLower(std::string(word));
  for (const std::string_view part : SplitAtAny(lower, "-'")) {
    if (ChangesANumber(part)) return false;
  }
  return true;
}

// The only number of a sentence.
std::optional<MathForm> OnlyNumber(std::string_view sentence) {
  const std::string ascii = AsciiMath(sentence);
  std::string number;
  bool follows = false;  // the word before belongs to the number
  std::vector<std::string> before;
  for (const std::string_view word : SplitAtAny(ascii, " \t\r\n")) {
    const std::string_view bare = Bare(word);
    if (!HasDigit(bare)) {
      if (!bare.empty() && !IsPlainWord(bare)) return std::nullopt;
      if (bare.empty() && Bare(",") != word && word.find_first_of("-/") != word.npos)
        return std::nullopt;
      follows = false;
      before.push_back(absl::AsciiStrToLower(std::string(bare)));
      continue;
    }
    if (!number.empty() && !follows) return std::nullopt;
    const std::vector<std::string_view> words(before.begin(), before.end());
    if (number.empty() && TakeNumberBack(words)) return std::nullopt;
    number.append(number.empty() ? "" : " ").append(bare);
    follows = bare == word;
  }
  if (number.empty()) return std::nullopt;
  auto form = ReadMathForm(number);
  return form && form->is_number ? form : std::nullopt;
}

// The value of a text; "72 clips in April and May" is no list.
std::optional<MathForm> ReadWithoutWords(std::string_view text) {
  auto form = ReadMathForm(text);
  if (!form) return form;
  const auto is_words = [](const MathForm& item) { return item.value.starts_with("words "); };
  const bool mixed = std::any_of(form->items.begin(), form->items.end(), is_words) &&
                     !std::all_of(form->items.begin(), form->items.end(), is_words);
  return mixed ? std::nullopt : form;
}

}  // namespace

bool IsNameOrCalculation(std::string_view left) {
  const std::vector<std::string_view> words = SplitAtAny(left, " \t\r\n$");
  constexpr size_t kMostWords = 5;
  std::string next;
  for (size_t i = 0; i < std::min(words.size(), kMostWords); ++i) {
    const std::string_view word = words[words.size() - 1 - i];
    std::string lower = absl::AsciiStrToLower(std::string(Bare(word)));
    if (ScalesAQuantity(lower, next)) return false;
    if (word.find_first_of(",;:") != word.npos) break;
    next = std::move(lower);
  }
  int letters = 0, others = 0;
  for (auto word = words.rbegin(); word != words.rend(); ++word) {
    const std::string_view bare = Bare(*word);
    const bool has_letter = std::any_of(bare.begin(), bare.end(), absl::ascii_isalpha);
    if (has_letter && word->find('!') != word->npos) return false;
    if (!has_letter) {
      if (word->find('=') != word->npos) break;
      if (word->find_first_of("<>!\\|") != word->npos) return false;
      ++others;
      continue;
    }
    if (bare.size() > 1) {
      // 2x and x+y are no names; "apples" ends the calculation.
      const auto is_of_words = [](char c) { return absl::ascii_isalpha(c) || c == '\''; };
      if (!std::all_of(bare.begin(), bare.end(), is_of_words)) return false;
      break;
    }
    // 3 x 3
    const bool is_times = (bare == "x" || bare == "X") && others > 0 && word + 1 != words.rend() &&
                          HasDigit(*(word + 1));
    if (!is_times && bare != "a" && bare != "A" && bare != "I") ++letters;
  }
  return letters == 0 || (letters == 1 && others == 0);
}

std::string WithoutMarkdown(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    const size_t marks = std::min(line.find_first_not_of('#'), line.size());
    if (marks > 0 && marks < 4 && marks < line.size() && line[marks] == ' ')
      line.remove_prefix(marks);
    result += WithoutPairs(WithoutPairs(line, '*'), '_');
    if (end < text.size()) result += '\n';
    begin = end + 1;
  }
  std::erase(result, '`');
  return result;
}

std::string_view LastSentence(std::string_view text) {
  text = StripSpace(text);
  while (!text.empty() && !text.ends_with("..") &&
         (text.back() == '.' || text.back() == '!' || text.back() == '?')) {
    text = StripSpace(text.substr(0, text.size() - 1));
  }
  for (size_t at = text.size(); at > 0; --at) {
    const char c = text[at - 1];
    const bool mark =
        (c == '.' || c == '!' || c == '?') && at < text.size() && absl::ascii_isspace(text[at]);
    const std::string_view rest = StripSpace(text.substr(at));
    const bool factorial = c == '!' && !rest.empty() && rest[0] == '=';
    if (c == '\n' || (mark && !factorial)) return rest;
  }
  return text;
}

std::optional<MathForm> ReadSentence(std::string_view sentence) {
  if (sentence.size() > kLongestSentence) return std::nullopt;
  const std::string text =
      absl::StrReplaceAll(std::string(sentence), {{" equals ", " = "}, {" is equal to ", " = "}});
  if (auto form = ReadWithoutWords(text)) return form;
  const size_t equals = text.rfind('=');
  if (equals == text.npos) return OnlyNumber(text);
  const std::string_view left = std::string_view(text).substr(0, equals);
  const std::string_view right = std::string_view(text).substr(equals + 1);
  if (!IsNameOrCalculation(left)) return std::nullopt;
  if (auto form = ReadWithoutWords(right)) return form;
  return OnlyNumber(right);
}

}  // namespace deduce
