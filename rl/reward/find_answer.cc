#include "rl/reward/find_answer.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "data/tasks/extract_answer.h"
#include "data/text/utf8.h"
#include "rl/reward/answer_context.h"
#include "rl/reward/math_prose.h"
#include "rl/reward/math_units.h"

namespace deduce {
namespace {

constexpr size_t kMostTogether = 50;     // answers of one list
constexpr int kMostPhrases = 8;          // "answer is" that are looked at, from the last one
constexpr size_t kLongestAnswer = 2000;  // bytes
constexpr int kMostTags = 3;             // answers in answers

// An answer between delimiters: where they begin and end, and what is between them.
struct Marked {
  size_t begin = 0, end = 0;
  std::string_view text;
};

// Whether only what connects items of a list stands between two answers.
bool Connects(std::string_view gap) {
  if (gap.size() > 40) return false;
  std::string words =
      absl::StrReplaceAll(absl::AsciiStrToLower(std::string(gap)), {{"\\quad", " "},
                                                                    {"\\text{", " "},
                                                                    {"}", " "},
                                                                    {"$", " "},
                                                                    {"\\)", " "},
                                                                    {"\\(", " "},
                                                                    {"\\", " "},
                                                                    {"~", " "}});
  bool found = false;
  for (const std::string_view word : {"and", "or"}) {
    const size_t at = words.find(word);
    if (at == words.npos) continue;
    words.replace(at, word.size(), " ");
    found = true;
  }
  for (const char c : words) {
    found |= c == ',' || c == ';';
    if (!absl::ascii_isspace(c) && c != ',' && c != ';') return false;
  }
  return found;
}

// The value of a text between delimiters.
FoundAnswer Read(std::string text) {
  auto form = ReadMathForm(text);
  return {std::move(text), std::move(form)};
}

// The part of a line before an answer that ends with "=" says what is equal to it: 2x is no name.
bool IsOfSomethingElse(std::string_view before) {
  before = StripSpace(before);
  if (!before.ends_with('=')) return false;
  const size_t begin = before.find_last_of("\n");
  before.remove_suffix(1);
  return !IsNameOrCalculation(begin == before.npos ? before : before.substr(begin + 1));
}

// The answer at `last`, together with those before it that are items of the same list, with a sign
// and a word of size beside it. Not understood where it is a part of something else.
FoundAnswer ReadTogether(std::string_view text, const std::vector<Marked>& all, size_t last,
                         AnswerMark mark) {
  size_t first = last;
  while (first > 0 && last - first < kMostTogether &&
         Connects(text.substr(all[first - 1].end, all[first].begin - all[first - 1].end))) {
    --first;
  }
  const std::string_view before = text.substr(0, all[first].begin);
  const auto sign = SignBefore(before, mark);
  const auto size = SizeAfter(text.substr(all[last].end));
  std::string answer(all[first].text);
  for (size_t i = first + 1; i <= last; ++i) answer.append(", ").append(all[i].text);
  if (!sign || !size || (mark == AnswerMark::kFormula && IsOfSomethingElse(before))) {
    return {absl::StrCat("... ", answer, " ..."), std::nullopt};
  }
  if (!sign->empty()) {
    answer = absl::ascii_isdigit(answer[0]) ? absl::StrCat("-", answer)
                                            : absl::StrCat("-(", answer, ")");
  }
  return Read(answer + *size);
}

// The group that opens at `open`, for every brace of `text`: the place of the brace that closes it,
// or npos.
std::vector<size_t> MatchBraces(std::string_view text) {
  std::vector<size_t> closed_at(text.size(), text.npos), open;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;  // \{ is no brace
    } else if (text[i] == '{') {
      open.push_back(i);
    } else if (text[i] == '}' && !open.empty()) {
      closed_at[open.back()] = i;
      open.pop_back();
    }
  }
  return closed_at;
}

// Complete boxes that are in no other, in order.
std::vector<Marked> FindBoxes(std::string_view text) {
  std::vector<Marked> boxes;
  std::vector<size_t> closed_at;
  for (size_t at = text.find('\\'); at != text.npos; at = text.find('\\', at + 1)) {
    size_t begin = at;
    for (const std::string_view command : {"\\boxed", "\\fbox"}) {
      if (text.substr(at, command.size()) == command) begin = at + command.size();
    }
    if (begin == at || (!boxes.empty() && at < boxes.back().end)) continue;
    while (begin < text.size() && (text[begin] == ' ' || text[begin] == '\n')) ++begin;
    if (begin >= text.size()) break;
    if (text[begin] == '{') {
      if (closed_at.empty()) closed_at = MatchBraces(text);
      const size_t end = closed_at[begin];
      if (end != text.npos) boxes.push_back({at, end + 1, text.substr(begin + 1, end - begin - 1)});
      continue;
    }
    // \boxed 42
    size_t end = begin;
    while (end < text.size() && (absl::ascii_isalnum(text[end]) || text[end] == '-' ||
                                 ((text[end] == '.' || text[end] == '/') && end + 1 < text.size() &&
                                  absl::ascii_isdigit(text[end + 1])))) {
      ++end;
    }
    if (end > begin) boxes.push_back({at, end, text.substr(begin, end - begin)});
  }
  return boxes;
}

bool HasProseWord(std::string_view text) {
  size_t letters = 0;
  bool command = false;
  for (const char c : text) {
    if (c == '\\') command = true;
    if (!absl::ascii_isalpha(c)) {
      if (c != '\\') command = false;
      letters = 0;
    } else if (!command && ++letters > 1) {
      return true;
    }
  }
  return false;
}

// The formula or the amount of money whose dollar sign is at `at`; an end of 0 if there is none.
Marked ReadDollars(std::string_view text, size_t at) {
  const auto digit_at = [&](size_t i) { return i < text.size() && absl::ascii_isdigit(text[i]); };
  const size_t width = text.substr(at, 2) == "$$" ? 2 : 1;
  const size_t begin = at + width;
  size_t end = begin;
  const size_t limit = std::min(text.size(), begin + kLongestAnswer);
  while (end < limit && text[end] != '$') end += text[end] == '\\' ? 2 : 1;
  const bool closed = end < limit && text.substr(end, width) == text.substr(at, width);
  const std::string_view inside = text.substr(begin, std::min(end, text.size()) - begin);
  // The rule of Pandoc, that no digit follows the sign that closes; and $12 and $x$.
  const bool is_money =
      digit_at(begin) && (!closed || digit_at(end + width) ||
                          (absl::ascii_isspace(text[end - 1]) && HasProseWord(inside)));
  if (closed && !is_money) return {at, end + width, inside};
  if (!is_money || width == 2) return {};
  size_t last = begin;
  while (digit_at(last) ||
         (last < text.size() && (text[last] == ',' || text[last] == '.') && digit_at(last + 1))) {
    ++last;
  }
  return {at, last, text.substr(begin, last - begin)};
}

// Formulas and amounts of money, in order.
std::vector<Marked> FindFormulas(std::string_view text) {
  std::vector<Marked> formulas;
  for (size_t at = 0; at < text.size(); ++at) {
    Marked formula;
    if (text[at] == '$') {
      formula = ReadDollars(text, at);
    } else if (text[at] == '\\') {
      for (const auto& [open, close] : {std::pair("\\(", "\\)"), std::pair("\\[", "\\]")}) {
        if (text.substr(at, 2) != open) continue;
        const size_t end = text.substr(0, at + kLongestAnswer).find(close, at + 2);
        if (end != text.npos) formula = {at, end + 2, text.substr(at + 2, end - at - 2)};
      }
      if (text.substr(at, 2) == "\\$" && at + 2 < text.size() &&
          absl::ascii_isdigit(text[at + 2])) {
        formula = ReadDollars(text.substr(0, text.find('$', at + 2)), at + 1);
      } else if (formula.end == 0) {
        ++at;  // what is escaped
      }
    }
    if (formula.end == 0) continue;
    formulas.push_back(formula);
    at = formula.end - 1;
  }
  return formulas;
}

// The place of the mark or the line feed that ends the sentence at `begin`.
size_t EndOfSentence(std::string_view text, size_t begin) {
  for (size_t i = begin; i < text.size(); ++i) {
    const bool mark = text[i] == '.' || text[i] == '!' || text[i] == '?';
    if (text[i] == '\n' || (mark && i + 1 < text.size() && absl::ascii_isspace(text[i + 1]))) {
      return i;
    }
  }
  return text.size();
}

// Whether the text behind ", " or " (" goes on with the answer instead of explaining it: "5, plus
// 3", "5 (mod 7)".
bool IsGoneOnWith(std::string_view text, std::string_view cut) {
  size_t size = 0;
  while (size < text.size() && absl::ascii_isalpha(text[size])) ++size;
  const std::string word = absl::AsciiStrToLower(std::string(text.substr(0, size)));
  if (cut == " (") return word == "mod" || word == "modulo" || word == "or";
  return cut == ", " && ChangesANumber(word);
}

// The rest of a sentence that says "the answer is": its first formula, or the whole, or what comes
// before a comma or an explanation.
std::optional<FoundAnswer> ReadPhrase(std::string_view rest) {
  while (!rest.empty() && (absl::ascii_isspace(rest[0]) || rest[0] == ':' || rest[0] == '*')) {
    rest.remove_prefix(1);
  }
  rest = rest.substr(0, std::min(rest.find('\n'), kLongestAnswer));
  const std::vector<Marked> formulas = FindFormulas(rest);
  if (!formulas.empty() && !HasProseWord(rest.substr(0, formulas[0].begin)) &&
      rest.substr(0, formulas[0].begin).find_first_of("0123456789") == rest.npos) {
    size_t last = 0;
    while (
        last + 1 < formulas.size() &&
        Connects(rest.substr(formulas[last].end, formulas[last + 1].begin - formulas[last].end))) {
      ++last;
    }
    return ReadTogether(rest, formulas, last, AnswerMark::kFormula);
  }
  rest = rest.substr(0, EndOfSentence(rest, 0));
  while (!rest.empty() &&
         (rest.back() == '.' || rest.back() == '!' || absl::ascii_isspace(rest.back()))) {
    rest.remove_suffix(1);
  }
  if (auto form = ReadMathForm(rest)) return FoundAnswer{std::string(rest), std::move(form)};
  for (const std::string_view cut :
       {", ", " because", " since", " as ", " (", " which", " where", " so ", ";"}) {
    const std::string_view part = rest.substr(0, rest.find(cut));
    if (part.size() == rest.size()) continue;
    if (cut == ", " && !absl::ascii_isalpha(rest[part.size() + 2])) continue;
    if (IsGoneOnWith(rest.substr(part.size() + cut.size()), cut)) continue;
    if (auto form = ReadMathForm(part)) return FoundAnswer{std::string(part), std::move(form)};
  }
  if (auto form = ReadSentence(rest)) return FoundAnswer{std::string(rest), std::move(form)};
  return std::nullopt;
}

// An answer with the place where it ends.
struct Candidate {
  size_t end = 0;
  FoundAnswer answer;
};

void TakeLater(std::optional<Candidate>& last, size_t end, FoundAnswer answer) {
  if (!last || end > last->end) last = Candidate{end, std::move(answer)};
}

// The last "answer is" that an answer follows.
void FindPhrase(std::string_view text, std::optional<Candidate>& last) {
  const std::string lower = absl::AsciiStrToLower(std::string(text));
  int tries = 0;
  for (size_t at = lower.rfind("answer"); at != lower.npos && tries < kMostPhrases;
       at = at == 0 ? lower.npos : lower.rfind("answer", at - 1)) {
    const std::string_view rest = std::string_view(lower).substr(at + 6);
    size_t skipped = 0;
    for (const std::string_view verb : {" is", "s are", ":", " =", " should be"}) {
      if (rest.starts_with(verb)) skipped = verb.size();
    }
    // "isn't"
    const bool goes_on = skipped < rest.size() && absl::ascii_isalpha(rest[skipped]);
    if (skipped == 0 || (goes_on && absl::ascii_isalpha(rest[skipped - 1]))) continue;
    ++tries;
    const size_t begin = at + 6 + skipped;
    if (last && last->end > begin) return;  // a box inside, or after it
    if (auto answer = ReadPhrase(text.substr(begin))) {
      const size_t first = std::min(text.find_first_not_of(": *\n\t", begin), text.size());
      TakeLater(last, std::max(EndOfSentence(text, first), begin + 1), *std::move(answer));
      return;
    }
  }
}

// GSM8K's mark, and no heading of the fourth level.
void FindHashes(std::string_view text, std::optional<Candidate>& last) {
  const size_t at = text.rfind("####");
  if (at == text.npos) return;
  std::string_view line = text.substr(at + 4);
  line = StripSpace(line.substr(0, line.find('\n')));
  if (line.empty() || absl::ascii_isalpha(line[0])) return;
  FoundAnswer answer = Read(std::string(line));
  if (answer.form) TakeLater(last, at + 4, std::move(answer));
}

// Boxes, marks and phrases.
std::optional<Candidate> FindMarked(std::string_view text) {
  std::optional<Candidate> last;
  const std::vector<Marked> boxes = FindBoxes(text);
  if (!boxes.empty()) {
    TakeLater(last, boxes.back().end,
              ReadTogether(text, boxes, boxes.size() - 1, AnswerMark::kBox));
  }
  FindHashes(text, last);
  FindPhrase(text, last);
  return last;
}

// Whether the line before `sentence` is a number, too: then neither is the answer.
bool IsColumnOfNumbers(std::string_view before) {
  before = StripSpace(before);
  const size_t feed = before.rfind('\n');
  const auto form = ReadMathForm(feed == before.npos ? before : before.substr(feed + 1));
  return form && form->is_number;
}

// Formulas and the last sentence.
std::optional<FoundAnswer> FindUnmarked(std::string_view text) {
  const std::vector<Marked> formulas = FindFormulas(text);
  const std::string_view sentence = LastSentence(text);
  const size_t sentence_begin =
      sentence.empty() ? text.size() : static_cast<size_t>(sentence.data() - text.data());
  if (formulas.empty() || formulas.back().end <= sentence_begin) {
    // 5! is 120, where it is all.
    const std::string_view line = text.substr(sentence_begin);
    auto form = line.find('!') == line.npos ? std::nullopt : ReadMathForm(line);
    if (!form) form = ReadSentence(sentence);
    const bool is_bare = form && form->is_number && !absl::ascii_isalpha(sentence[0]) &&
                         sentence.find('=') == sentence.npos;
    if (is_bare && IsColumnOfNumbers(text.substr(0, sentence_begin))) return std::nullopt;
    if (form) return FoundAnswer{std::string(sentence), std::move(form)};
  }
  if (formulas.empty()) return std::nullopt;
  return ReadTogether(text, formulas, formulas.size() - 1, AnswerMark::kFormula);
}

// A formula that is a plain number and ends the text takes back what was marked before it.
std::optional<FoundAnswer> FindCorrection(std::string_view text) {
  const std::vector<Marked> formulas = FindFormulas(text);
  if (formulas.empty()) return std::nullopt;
  const std::string_view rest = StripSpace(text.substr(formulas.back().end));
  if (!rest.empty() && rest != ".") return std::nullopt;
  FoundAnswer answer = ReadTogether(text, formulas, formulas.size() - 1, AnswerMark::kFormula);
  if (!answer.form || !answer.form->is_number || answer.text.find('=') != answer.text.npos) {
    return std::nullopt;
  }
  return answer;
}

std::optional<FoundAnswer> FindIn(std::string_view text, int tags) {
  const size_t close = text.rfind("</answer>");
  const auto tagged = ExtractAnswer(text);
  if (tagged && tags > 0) {
    const size_t end = close + sizeof("</answer>") - 1;
    if (auto later = FindMarked(text.substr(end))) return std::move(later->answer);
    if (auto inner = FindIn(*tagged, tags - 1)) return inner;
    return Read(std::string(StripSpace(tagged->substr(0, kLongestAnswer + 1))));
  }
  auto marked = FindMarked(text);
  if (!marked) return FindUnmarked(text);
  if (auto correction = FindCorrection(text.substr(marked->end))) return correction;
  return std::move(marked->answer);
}

}  // namespace

std::optional<FoundAnswer> FindAnswer(std::string_view text) {
  const std::string plain = WithoutMarkdown(text);
  // Thoughts are no answer, unless nothing follows them.
  constexpr std::string_view kThought = "</think>";
  const size_t thought = plain.rfind(kThought);
  const std::string_view said =
      std::string_view(plain).substr(thought == plain.npos ? 0 : thought + kThought.size());
  return FindIn(StripSpace(said).empty() ? plain : said, kMostTags);
}

FoundAnswer ReadGoldAnswer(std::string_view gold) {
  std::optional<Candidate> last;
  FindHashes(gold, last);
  if (last) return std::move(last->answer);
  const std::vector<Marked> boxes = FindBoxes(gold);
  if (!boxes.empty()) return ReadTogether(gold, boxes, boxes.size() - 1, AnswerMark::kBox);
  return Read(std::string(StripSpace(gold)));
}

}  // namespace deduce
