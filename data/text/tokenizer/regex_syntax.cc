#include "data/text/tokenizer/regex_syntax.h"

#include <algorithm>
#include <cctype>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/tokenizer/json_fields.h"
#include "data/text/tokenizer/unicode_additions.h"
#include "data/text/utf8.h"

namespace deduce {
namespace {

// White_Space of Unicode, which is \s for Oniguruma; PCRE2's has U+180E too.
constexpr char kSpace[] =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"
    "\\x{205f}\\x{3000}";
constexpr char kNoSpace[] =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-"
    "\\x{10ffff}";

bool IsCategory(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N",  "Nd", "Nl", "No", "P", "Pc",
      "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So", "Z",  "Zs", "Zl", "Zp"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

class RegexTranslator {
 public:
  explicit RegexTranslator(std::string_view pattern) : pattern_(pattern) {}

  absl::StatusOr<Pcre2Pattern> Run() {
    while (at_ < pattern_.size()) RETURN_IF_ERROR(in_class_ ? ClassItem() : Item());
    return std::move(result_);
  }

 private:
  bool Next(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  absl::Status Refuse(size_t length, const std::string& expected) const {
    return absl::InvalidArgumentError(absl::StrCat("found ",
                                                   ShownText(pattern_.substr(at_, length)),
                                                   " at byte ", at_, ", expected ", expected));
  }
  void Emit(std::string_view plain, std::string_view extended) {
    result_.plain += plain;
    result_.extended += extended;
  }
  void Copy(size_t length) {
    Emit(pattern_.substr(at_, length), pattern_.substr(at_, length));
    at_ += length;
  }

  absl::Status Item();
  absl::Status ClassItem();
  absl::Status Group();
  absl::Status Braces();
  absl::Status Escape();
  absl::Status Property();
  void EmitCategory(std::string_view name, bool negated);
  void EmitSpace(bool negated);

  std::string_view pattern_;
  size_t at_ = 0;
  bool in_class_ = false;
  bool class_begins_ = false;  // nothing of the class was read yet but [ or [^
  Pcre2Pattern result_;
};

absl::Status RegexTranslator::Item() {
  switch (pattern_[at_]) {
    case '\\':
      return Escape();
    case '(':
      return Group();
    case '{':
      return Braces();
    case '[':
      in_class_ = class_begins_ = true;
      Copy(Next("[^") ? 2 : 1);
      return absl::OkStatus();
    default:
      Copy(CharacterLength(pattern_, at_));
      return absl::OkStatus();
  }
}

absl::Status RegexTranslator::ClassItem() {
  if (Next("]") && class_begins_) return Refuse(1, "a class that is not empty");
  class_begins_ = false;
  if (Next("[")) return Refuse(2, "no class within a class");
  if (Next("&&")) return Refuse(2, "a class without &&");
  if (Next("\\")) return Escape();
  in_class_ = !Next("]");
  Copy(CharacterLength(pattern_, at_));
  return absl::OkStatus();
}

absl::Status RegexTranslator::Group() {
  // Longer ones first: "(?<" alone would begin a name.
  for (const std::string_view known : {"(?<=", "(?<!", "(?:", "(?i:", "(?=", "(?!", "(?>"}) {
    if (!Next(known)) continue;
    Copy(known.size());
    return absl::OkStatus();
  }
  if (Next("(?") || Next("(*"))
    return Refuse(4, "a group (, (?:, (?i:, (?=, (?!, (?<=, (?<! or (?>");
  Copy(1);
  return absl::OkStatus();
}

// {n}, {n,} and {n,m}; the two syntaxes differ in what other braces are, and in a + or ? after
// these.
absl::Status RegexTranslator::Braces() {
  size_t end = at_ + 1;
  int commas = 0;
  const size_t limit = std::min(pattern_.size(), at_ + 12);
  while (end < limit && (std::isdigit(static_cast<unsigned char>(pattern_[end])) ||
                         (pattern_[end] == ',' && end > at_ + 1 && commas++ == 0))) {
    ++end;
  }
  if (end == limit || pattern_[end] != '}' || end == at_ + 1 ||
      pattern_.substr(end + 1).starts_with("+") ||
      (commas == 0 && pattern_.substr(end + 1).starts_with("?"))) {
    return Refuse(end - at_ + 2, "a repetition {n}, {n,} or {n,m}");
  }
  Copy(end + 1 - at_);
  return absl::OkStatus();
}

absl::Status RegexTranslator::Escape() {
  const char kind = at_ + 1 < pattern_.size() ? pattern_[at_ + 1] : '\0';
  const auto is_hex = [this](size_t i) {
    return i < pattern_.size() && std::isxdigit(static_cast<unsigned char>(pattern_[i]));
  };
  if (kind == 's' || kind == 'S') {
    EmitSpace(kind == 'S');
    at_ += 2;
  } else if (kind == 'd' || (kind == 'D' && !in_class_)) {
    EmitCategory("Nd", kind == 'D');
    at_ += 2;
  } else if (kind == 'p' || kind == 'P') {
    return Property();
  } else if (std::string_view("nrtf").find(kind) != std::string_view::npos ||
             std::ispunct(static_cast<unsigned char>(kind)) || kind == ' ') {
    Copy(2);
  } else if (kind == 'x' && is_hex(at_ + 2) && is_hex(at_ + 3)) {
    Copy(4);
  } else {
    return Refuse(2, "an escape \\s, \\S, \\d, \\p{...}, \\n, \\r, \\t, \\f, \\xHH or punctuation");
  }
  return absl::OkStatus();
}

absl::Status RegexTranslator::Property() {
  const size_t end = pattern_.find('}', at_);
  const std::string_view name = Next("\\p{") || Next("\\P{")
                                    ? pattern_.substr(at_ + 3, end - std::min(end, at_ + 3))
                                    : std::string_view();
  const bool negated = pattern_[at_ + 1] == 'P';
  if (end == std::string_view::npos || !IsCategory(name) || (negated && in_class_)) {
    return Refuse(end == std::string_view::npos ? 4 : end + 1 - at_,
                  "\\p{...} of a general category such as L or Nd, not negated in a class");
  }
  EmitCategory(name, negated);
  at_ = end + 1;
  return absl::OkStatus();
}

void RegexTranslator::EmitCategory(std::string_view name, bool negated) {
  const std::string property = absl::StrCat("\\p{", std::string(name), "}");
  const std::string both = property + AdditionsAsClass(name);
  if (in_class_) return Emit(property, both);
  const std::string begin = negated ? "[^" : "[";
  Emit(begin + property + "]", begin + both + "]");
}

void RegexTranslator::EmitSpace(bool negated) {
  const std::string inside = negated && in_class_ ? kNoSpace : kSpace;
  if (in_class_) return Emit(inside, inside);
  const std::string whole = (negated ? "[^" : "[") + inside + "]";
  Emit(whole, whole);
}

}  // namespace

absl::StatusOr<Pcre2Pattern> TranslateRegex(std::string_view pattern) {
  if (FindInvalidUtf8(pattern)) return absl::InvalidArgumentError("found no UTF-8, expected it");
  return RegexTranslator(pattern).Run();
}

}  // namespace deduce
