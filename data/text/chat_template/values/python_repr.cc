#include "data/text/chat_template/values/python_repr.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "data/text/chat_template/values/python_text.h"
#include "data/text/utf8.h"

namespace deduce::jinja {
namespace {

// Characters beyond ASCII that Python prints as they are. Whole blocks without gaps only.
bool IsPrintable(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0xa1, 0xac},     {0xae, 0x377},      {0x400, 0x52f},     {0x61b, 0x61b},
      {0x61d, 0x6dc},   {0x2010, 0x2027},   {0x2030, 0x205e},   {0x20a0, 0x20bf},
      {0x2190, 0x2426}, {0x2500, 0x2b73},   {0x3001, 0x303f},   {0x3041, 0x3096},
      {0x3099, 0x30ff}, {0x3400, 0x4dbf},   {0x4e00, 0x9ffc},   {0xac00, 0xd7a3},
      {0xff01, 0xff9f}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6d7}, {0x1f900, 0x1f978}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [c](const auto& range) { return range.first <= c && c <= range.second; });
}

// Escaped by Python: controls, the soft hyphen, other spaces and separators.
bool IsEscaped(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad || (c >= 0x2000 && c <= 0x200f) ||
         (c >= 0x2028 && c <= 0x202f) || c == 0x3000 || c == 0xfeff;
}

absl::StatusOr<std::string> Repr(const Value& value);

absl::StatusOr<std::string> ItemsRepr(const std::vector<Value>& items) {
  std::vector<std::string> parts;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(parts.emplace_back(), Repr(item));
  }
  return absl::StrJoin(parts, ", ");
}

absl::StatusOr<std::string> DictRepr(const Entries& entries) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : entries) {
    ASSIGN_OR_RETURN(const std::string name, Repr(key));
    ASSIGN_OR_RETURN(const std::string text, Repr(value));
    parts.push_back(absl::StrCat(name, ": ", text));
  }
  return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
}

absl::StatusOr<std::string> Repr(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kString:
      if (value.is_markup()) return Unsupported("printing a string marked safe within a list");
      return StringRepr(value.text());
    default:
      return Str(value);
  }
}

}  // namespace

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[32];
  const auto end = std::to_chars(buffer, std::end(buffer), value, std::chars_format::scientific);
  const std::string_view text(buffer, end.ptr - buffer);
  const size_t e = text.find('e');
  const int exponent = std::stoi(std::string(text.substr(e + 1)));
  if (exponent < -4 || exponent >= 16)
    return std::string(text);  // "1e-05" has two digits, as Python's
  std::string digits(text.substr(0, e));
  std::string sign;
  if (digits[0] == '-') {
    sign = "-";
    digits.erase(0, 1);
  }
  if (digits.size() > 1) digits.erase(1, 1);  // the point
  if (exponent < 0) return absl::StrCat(sign, "0.", std::string(-exponent - 1, '0'), digits);
  if (digits.size() < static_cast<size_t>(exponent) + 2) digits.resize(exponent + 2, '0');
  return absl::StrCat(sign, digits.substr(0, exponent + 1), ".", digits.substr(exponent + 1));
}

absl::StatusOr<std::string> StringRepr(const std::string& text) {
  const bool has_single = text.find('\'') != std::string::npos;
  const char quote = has_single && text.find('"') == std::string::npos ? '"' : '\'';
  std::string result(1, quote);
  for (size_t i = 0; i < text.size(); i += CharacterLength(text, i)) {
    const char32_t c = CodePoint(text, i);
    if (c == static_cast<char32_t>(quote) || c == '\\') {
      absl::StrAppend(&result, "\\", text.substr(i, 1));
    } else if (c == '\n' || c == '\r' || c == '\t') {
      result += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (IsEscaped(c)) {
      const uint32_t code = c;
      result += c < 0x100 ? absl::StrFormat("\\x%02x", code) : absl::StrFormat("\\u%04x", code);
    } else if (c < 0x7f || IsPrintable(c)) {
      result.append(text, i, CharacterLength(text, i));
    } else {
      return Unsupported(absl::StrFormat("printing a container with the character U+%04X",
                                         static_cast<uint32_t>(c)));
    }
  }
  return result + quote;
}

absl::StatusOr<std::string> Str(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "";
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return value.Truthy() ? "True" : "False";
    case Kind::kInt:
      return absl::StrCat(value.integer());
    case Kind::kFloat:
      return FloatRepr(value.number());
    case Kind::kString:
      return value.text();
    case Kind::kDict:
      return DictRepr(value.entries());
    case Kind::kList:
    case Kind::kTuple: {
      ASSIGN_OR_RETURN(const std::string items, ItemsRepr(value.items()));
      if (value.is(Kind::kList)) return absl::StrCat("[", items, "]");
      return absl::StrCat("(", items, value.items().size() == 1 ? ",)" : ")");
    }
    default:
      return Unsupported(absl::StrCat("printing ", value.TypeName()));
  }
}

}  // namespace deduce::jinja
