#include "rl/reward/math_tokens.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "data/text/utf8.h"
#include "rl/reward/math_text.h"

namespace deduce {
namespace {

using Kind = MathToken::Kind;

constexpr size_t kMaxAnswerBytes = 2000;
constexpr size_t kMaxAnswerTokens = 300;

// Commands that only set type.
constexpr std::string_view kIgnored[] = {"\\left",      "\\right",
                                         "\\big",       "\\Big",
                                         "\\bigl",      "\\bigr",
                                         "\\Bigl",      "\\Bigr",
                                         "\\bigg",      "\\Bigg",
                                         "\\biggl",     "\\biggr",
                                         "\\limits",    "\\displaystyle",
                                         "\\textstyle", "\\rm",
                                         "\\bf",        "\\it",
                                         "\\pounds",    "\\euro",
                                         "\\yen",       "\\boldsymbol",
                                         "\\bm",        "\\scriptstyle",
                                         "\\nolimits",  "\\hfill",
                                         "\\boxed",     "\\fbox",
                                         "\\$",         "\\(",
                                         "\\)",         "\\[",
                                         "\\]"};
constexpr std::string_view kSpaces[] = {"\\,",    "\\;",     "\\:",      "\\ ",        "\\!",
                                        "\\quad", "\\qquad", "\\hspace", "\\thinspace"};
constexpr std::string_view kTextCommands[] = {
    "\\text",   "\\textbf", "\\textit", "\\textrm", "\\textnormal",   "\\textsf",
    "\\mbox",   "\\hbox",   "\\mathrm", "\\mathbf", "\\operatorname", "\\mathit",
    "\\mathsf", "\\texttt", "\\mathbb", "\\mathcal"};
// Other spellings.
constexpr std::pair<std::string_view, std::string_view> kAliases[] = {
    {"\\dfrac", "\\frac"},
    {"\\tfrac", "\\frac"},
    {"\\cfrac", "\\frac"},
    {"\\times", "*"},
    {"\\cdot", "*"},
    {"\\ast", "*"},
    {"\\div", "/"},
    {"\\leq", "\\le"},
    {"\\geq", "\\ge"},
    {"\\leqslant", "\\le"},
    {"\\geqslant", "\\ge"},
    {"\\lt", "<"},
    {"\\gt", ">"},
    {"\\neq", "\\ne"},
    {"\\lbrace", "\\{"},
    {"\\rbrace", "\\}"},
    {"\\lvert", "|"},
    {"\\rvert", "|"},
    {"\\vert", "|"},
    {"\\mid", "|"},
    {"\\%", "%"},
    {"\\circ", "\\degree"},
    {"\\lparen", "("},
    {"\\rparen", ")"},
    {"\\lbrack", "["},
    {"\\rbrack", "]"},
    {"\\colon", ":"},
    {"\\varepsilon", "\\epsilon"},
    {"\\cr", "\\\\"},
    {"\\bar", "\\overline"},
    {"\\emptyset", "\\varnothing"},
    {"\\exp", "\\exp"},
    {"\\_", "_"},
    {"\\&", "and"}};

template <typename Table>
bool Holds(const Table& table, std::string_view text) {
  return std::find(std::begin(table), std::end(table), text) != std::end(table);
}

bool IsLetter(char c) { return absl::ascii_isalpha(c) || static_cast<unsigned char>(c) >= 0x80; }

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool Read() {
    while (at_ < text_.size()) {
      if (tokens_.size() > kMaxAnswerTokens || !Next()) return false;
    }
    return braces_.empty();
  }
  std::vector<MathToken> Take() { return std::move(tokens_); }

 private:
  bool Next() {
    const char c = text_[at_];
    if (absl::ascii_isspace(c) || c == '~') {
      ++at_;
      space_ = true;
      return true;
    }
    if (DigitAt(at_) || (c == '.' && DigitAt(at_ + 1))) return ReadNumber();
    if (IsLetter(c)) return ReadLetters();
    if (c == '\\') return ReadCommand();
    if (c == '{' || c == '}') return ReadBrace();
    ++at_;
    if (c == '$' || c == '`' || c == '"') return true;  // money, too
    if (c == '*' && at_ < text_.size() && text_[at_] == '*')
      return false;  // a power in some languages only
    // Relations as programs write them.
    static constexpr std::pair<char, std::string_view> kBeforeEquals[] = {
        {'<', "\\le"}, {'>', "\\ge"}, {'!', "\\ne"}, {'=', "="}};
    for (const auto& [sign, relation] : kBeforeEquals) {
      if (c != sign || text_.substr(at_, 1) != "=") continue;
      ++at_;
      Add(Kind::kCommand, std::string(relation));
      return true;
    }
    Add(Kind::kSign, std::string(1, c));
    return !absl::ascii_iscntrl(c);
  }

  MathToken& Add(Kind kind, std::string text) {
    MathToken token{.kind = kind, .text = std::move(text), .space_before = space_};
    token.in_text = num_texts_ > 0;
    space_ = false;
    tokens_.push_back(std::move(token));
    return tokens_.back();
  }

  bool ReadBrace() {
    if (text_[at_++] == '{') {
      braces_.push_back(std::exchange(text_follows_, false));
      if (braces_.back()) {
        ++num_texts_;
      } else {
        Add(Kind::kSign, "{");
      }
      return true;
    }
    if (braces_.empty()) return false;
    if (braces_.back()) {
      --num_texts_;
    } else {
      Add(Kind::kSign, "}");
    }
    braces_.pop_back();
    return true;
  }

  // An unknown sign of mathematics may be an operator: what holds it is not understood.
  bool ReadLetters() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsLetter(text_[at_])) {
      const size_t length = std::max<size_t>(CharacterLength(text_, at_), 1);
      if (length > 1 && IsMathSign(CodePoint(text_.substr(at_, length)))) return false;
      at_ += length;
    }
    std::string letters(text_.substr(begin, at_ - begin));
    // In a formula "pi" and "sqrt(2)" are as programs write them.
    static constexpr std::string_view kNamesOfCommands[] = {"pi",  "sqrt", "sin", "cos",
                                                            "tan", "log",  "ln",  "infty"};
    if (Holds(kNamesOfCommands, letters) && num_texts_ == 0) {
      Add(Kind::kCommand, "\\" + letters);
    } else {
      const Kind kind = letters.size() == 1 ? Kind::kName : Kind::kWord;
      Add(kind, std::move(letters));
    }
    return true;
  }

  bool ReadCommand() {
    size_t end = at_ + 1;
    while (end < text_.size() && absl::ascii_isalpha(text_[end])) ++end;
    if (end == at_ + 1) end = std::min(end + 1, text_.size());
    std::string_view command = text_.substr(at_, end - at_);
    at_ = end;
    if (command == "\\") return false;
    if (command == "\\begin" || command == "\\end") return ReadEnvironment(command);
    if (Holds(kSpaces, command)) {
      space_ = true;
      return true;
    }
    if (Holds(kIgnored, command)) {
      // \left. and \right. are sides without a bracket.
      const bool empty_side =
          (command == "\\left" || command == "\\right") && text_.substr(at_, 1) == ".";
      at_ += empty_side ? 1 : 0;
      return true;
    }
    if (Holds(kTextCommands, command)) {
      while (at_ < text_.size() && text_[at_] == ' ') ++at_;
      text_follows_ = at_ < text_.size() && text_[at_] == '{';
      space_ = true;
      return true;
    }
    for (const auto& [from, to] : kAliases) {
      if (command == from) command = to;
    }
    const bool is_word = absl::ascii_isalpha(command[0]);
    const bool is_sign = command.size() == 1 || !absl::ascii_isalpha(command[1]);
    Add(is_word ? Kind::kWord : is_sign ? Kind::kSign : Kind::kCommand, std::string(command));
    return true;
  }

  // The group behind \begin or \end, of a matrix.
  bool ReadEnvironment(std::string_view command) {
    static constexpr std::string_view kMatrices[] = {"{pmatrix}", "{bmatrix}", "{matrix}",
                                                     "{array}"};
    const auto end_of_group = [&] { return std::min(text_.find('}', at_), text_.size() - 1) + 1; };
    if (at_ >= text_.size()) return false;
    const std::string_view name = text_.substr(at_, end_of_group() - at_);
    if (!Holds(kMatrices, name)) return false;
    at_ += name.size();
    // The columns of an array.
    if (command == "\\begin" && text_.substr(at_, 1) == "{") at_ = end_of_group();
    Add(Kind::kCommand, std::string(command));
    return true;
  }

  bool DigitAt(size_t i) const { return i < text_.size() && absl::ascii_isdigit(text_[i]); }
  size_t EndOfDigits(size_t i) const {
    while (DigitAt(i)) ++i;
    return i;
  }

  // The separator of thousands at `i`: "," or a space of any kind, before exactly three digits.
  std::string_view SeparatorAt(size_t i) const {
    static constexpr std::string_view kSeparators[] = {"{,}\\!", "{,}", ",\\! ", ",\\!", ",", "\\,",
                                                       "\\ ",    "\\;", "\\!",   "~",    " "};
    for (const std::string_view separator : kSeparators) {
      const size_t digits = i + separator.size();
      if (text_.substr(i, separator.size()) == separator && DigitAt(digits) &&
          EndOfDigits(digits) == digits + 3) {
        return separator;
      }
    }
    return "";
  }

  // (100,200) is a pair.
  bool IsPair(size_t begin, size_t end, std::string_view separator) const {
    if (separator != "," || tokens_.empty() || begin == 0) return false;
    const std::string& before = tokens_.back().text;
    const std::string_view after = text_.substr(end, 2);
    return (before == "(" || before == "[" || before == "\\{") &&
           (after.substr(0, 1) == ")" || after.substr(0, 1) == "]" || after == "\\}");
  }

  // The end of the whole part that begins at at_, its digits appended to `digits`.
  size_t ReadWholePart(std::string& digits) const {
    const size_t first_end = EndOfDigits(at_);
    digits = text_.substr(at_, first_end - at_);
    if (digits.empty() || digits.size() > 3 || digits[0] == '0') return first_end;
    const std::string_view separator = SeparatorAt(first_end);
    size_t end = first_end;
    std::string all = digits;
    while (!separator.empty() && SeparatorAt(end) == separator) {
      const size_t group = end + separator.size();
      all += text_.substr(group, 3);
      end = group + 3;
    }
    // 10,100,1000 has no separators: it is a list.
    const bool goes_on = !separator.empty() && separator != " " &&
                         text_.substr(end, separator.size()) == separator &&
                         DigitAt(end + separator.size());
    if (end == first_end || goes_on || IsPair(at_, end, separator)) return first_end;
    digits = std::move(all);
    return end;
  }

  bool ReadNumber() {
    std::string digits;
    size_t end = ReadWholePart(digits);
    const size_t whole_digits = digits.size();
    size_t decimals = 0;
    if (end < text_.size() && text_[end] == '.' && DigitAt(end + 1)) {
      const size_t begin = end + 1;
      end = EndOfDigits(begin);
      digits += text_.substr(begin, end - begin);
      decimals = digits.size() - whole_digits;
    }
    at_ = end;
    auto number = Decimal(digits, decimals);
    if (number) number = WithPeriod(*number, decimals);
    const auto value = number ? WithExponent(*number) : std::nullopt;
    if (!value) return false;
    MathToken& token = Add(Kind::kNumber, digits);
    token.value = *value;
    token.whole = decimals == 0 && at_ == end;
    return true;
  }

  static std::optional<Rational> Decimal(const std::string& digits, size_t decimals) {
    __int128 number = 0, scale = 1;
    for (size_t i = 0; i < digits.size(); ++i) {
      if (__builtin_mul_overflow(number, __int128{10}, &number) ||
          __builtin_add_overflow(number, __int128{digits[i] - '0'}, &number) ||
          (i + decimals >= digits.size() && __builtin_mul_overflow(scale, __int128{10}, &scale))) {
        return std::nullopt;
      }
    }
    return MakeRational(number, scale);
  }

  // 0.1\overline{6}: digits that repeat without end.
  std::optional<Rational> WithPeriod(const Rational& number, size_t decimals) {
    size_t begin = at_;
    if (decimals == 0 && text_.substr(begin, 1) == ".") ++begin;
    if (decimals == 0 && begin == at_) return number;
    for (const std::string_view line : {"\\overline{", "\\bar{"}) {
      if (text_.substr(begin, line.size()) != line) continue;
      begin += line.size();
      const size_t end = EndOfDigits(begin);
      if (end == begin || text_.substr(end, 1) != "}") return std::nullopt;
      const auto period = Decimal(std::string(text_.substr(begin, end - begin)), 0);
      const auto power = Power({10, 1}, static_cast<__int128>(end - begin));
      const auto scale = Power({10, 1}, static_cast<__int128>(decimals));
      const auto nines = power && scale ? deduce::Add(*power, Rational{-1, 1}) : std::nullopt;
      const auto divisor = nines ? Multiply(*nines, *scale) : std::nullopt;
      const auto inverse = divisor ? Inverse(*divisor) : std::nullopt;
      const auto part = period && inverse ? Multiply(*period, *inverse) : std::nullopt;
      at_ = end + 1;
      return part ? deduce::Add(number, *part) : std::nullopt;
    }
    return number;
  }

  // A number directly followed by e or E, a sign and one to three digits.
  std::optional<Rational> WithExponent(const Rational& number) {
    if (at_ >= text_.size() || (text_[at_] != 'e' && text_[at_] != 'E')) return number;
    size_t begin = at_ + 1;
    const bool minus = begin < text_.size() && text_[begin] == '-';
    if (minus || (begin < text_.size() && text_[begin] == '+')) ++begin;
    const size_t end = EndOfDigits(begin);
    if (end == begin) return number;
    if (end > begin + 3) return std::nullopt;
    __int128 exponent = 0;
    for (size_t i = begin; i < end; ++i) exponent = 10 * exponent + (text_[i] - '0');
    at_ = end;
    const auto factor = Power({10, 1}, minus ? -exponent : exponent);
    return factor ? Multiply(number, *factor) : std::nullopt;
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<MathToken> tokens_;
  std::vector<bool> braces_;  // one for each that is open: whether it holds text
  int num_texts_ = 0;
  bool text_follows_ = false;
  bool space_ = false;
};

}  // namespace

std::optional<std::vector<MathToken>> ReadMathTokens(std::string_view text) {
  if (text.size() > kMaxAnswerBytes) return std::nullopt;
  const std::string ascii = AsciiMath(text);
  if (ascii.starts_with('~')) return std::nullopt;  // about; elsewhere a space
  Reader reader(ascii);
  if (!reader.Read()) return std::nullopt;
  return reader.Take();
}

}  // namespace deduce
