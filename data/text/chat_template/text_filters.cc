#include "data/text/chat_template/text_filters.h"

#include <charconv>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "configs/status.h"
#include "data/text/chat_template/filter_table.h"
#include "data/text/chat_template/values/json_text.h"
#include "data/text/chat_template/values/python_repr.h"
#include "data/text/chat_template/values/python_text.h"

namespace deduce::jinja {
namespace {

// Jinja's soft_str: a string as it is, the str() of anything else.
absl::StatusOr<std::string> Soft(const Value& value) {
  return value.is(Kind::kString) ? TextOf(value) : Str(value);
}

absl::StatusOr<Value> Trim(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"chars"}, 0));
  std::optional<std::string> chars;
  if (bound[0] && !bound[0]->is(Kind::kNone)) {
    ASSIGN_OR_RETURN(chars, TextOf(*bound[0]));
  }
  ASSIGN_OR_RETURN(const std::string text, Soft(input));
  return Value::String(std::string(Strip(text, Side::kBoth, chars)));
}

absl::StatusOr<Value> ReplaceFilter(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"old", "new", "count"}, 2));
  ASSIGN_OR_RETURN(const std::string text, Soft(input));
  ASSIGN_OR_RETURN(const std::string old, Soft(*bound[0]));
  ASSIGN_OR_RETURN(const std::string by, Soft(*bound[1]));
  ASSIGN_OR_RETURN(const int64_t limit, IntegerOr(bound[2], -1));
  ASSIGN_OR_RETURN(std::string result, Replace(text, old, by, limit));
  return Value::String(std::move(result));
}

template <Case to>
absl::StatusOr<Value> CaseFilter(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  ASSIGN_OR_RETURN(const std::string text, Soft(input));
  ASSIGN_OR_RETURN(std::string result, ChangeCase(text, to));
  return Value::String(std::move(result));
}

absl::StatusOr<Value> StringFilter(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  if (input.is(Kind::kString)) return input;
  ASSIGN_OR_RETURN(std::string text, Str(input));
  return Value::String(std::move(text));
}

absl::StatusOr<Value> Safe(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  ASSIGN_OR_RETURN(std::string text, Str(input));
  return Value::Markup(std::move(text));
}

absl::StatusOr<Value> Escape(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  if (input.is_markup()) return input;
  ASSIGN_OR_RETURN(const std::string text, Str(input));
  return Value::Markup(absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"'", "&#39;"}, {"\"", "&#34;"}}));
}

absl::StatusOr<Value> ToJsonFilter(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound,
                   Bind(arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}, 0));
  JsonStyle style;
  style.ensure_ascii = bound[0] && bound[0]->Truthy();
  style.sort_keys = bound[3] && bound[3]->Truthy();
  if (bound[1] && bound[1]->is(Kind::kString)) {
    ASSIGN_OR_RETURN(style.indent, TextOf(*bound[1]));
  } else if (bound[1] && !bound[1]->is(Kind::kNone)) {
    ASSIGN_OR_RETURN(const int64_t width, IntegerOr(bound[1], 0));
    if (width > 100) return Wrong(absl::StrCat("an indent of ", width), "at most 100");
    style.indent = std::string(std::max<int64_t>(width, 0), ' ');
  }
  if (bound[2] && !bound[2]->is(Kind::kNone)) {
    ASSIGN_OR_RETURN(const std::vector<Value> separators, Iterate(*bound[2]));
    if (separators.size() != 2) return Wrong("other separators", "two strings");
    ASSIGN_OR_RETURN(style.item_separator, TextOf(separators[0]));
    ASSIGN_OR_RETURN(style.key_separator, TextOf(separators[1]));
  }
  ASSIGN_OR_RETURN(std::string text, ToJson(input, style));
  return Value::String(std::move(text));
}

absl::StatusOr<Value> Indent(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"width", "first", "blank"}, 0));
  std::string indent;
  if (bound[0] && bound[0]->is(Kind::kString)) {
    ASSIGN_OR_RETURN(indent, TextOf(*bound[0]));
  } else {
    ASSIGN_OR_RETURN(const int64_t width, IntegerOr(bound[0], 4));
    if (width > 1000) return Wrong(absl::StrCat("an indent of ", width), "at most 1000");
    indent = std::string(std::max<int64_t>(width, 0), ' ');
  }
  ASSIGN_OR_RETURN(const std::string text, TextOf(input));
  const bool first = bound[1] && bound[1]->Truthy(), blank = bound[2] && bound[2]->Truthy();
  const std::vector<std::string> lines = SplitLines(text + "\n", false);
  RETURN_IF_ERROR(CheckParts(lines));
  std::string result;
  for (size_t i = 0; i < lines.size(); ++i) {
    const bool indented = i == 0 ? first : blank || !lines[i].empty();
    absl::StrAppend(&result, i == 0 ? "" : "\n", indented ? indent : "", lines[i]);
    RETURN_IF_ERROR(CheckTextSize(result.size()));
  }
  return Value::String(std::move(result));
}

// Python also reads digits with _ between them, and those of other scripts.
absl::Status CheckDigits(const std::string& text) {
  for (const char byte : text) {
    if (byte == '_' || static_cast<uint8_t>(byte) >= 0x80) {
      return Unsupported("a number in a string with _ or characters beyond ASCII");
    }
  }
  return absl::OkStatus();
}

// A string as Python's float() reads it; nothing if it refuses.
std::optional<double> ParseFloat(const std::string& text) {
  const std::string_view stripped = Strip(text, Side::kBoth);
  if (stripped.empty() || stripped.find_first_of("xXpP_()") != std::string_view::npos)
    return std::nullopt;
  double value = 0;
  if (!absl::SimpleAtod(absl::string_view(stripped.data(), stripped.size()), &value))
    return std::nullopt;
  return value;
}

absl::StatusOr<Value> IntOfFloat(double number, const Value& absent) {
  if (!std::isfinite(number)) return absent;
  if (std::abs(number) >= 0x1p63) return Unsupported("an integer of more than 64 bits");
  return Value::Int(static_cast<int64_t>(number));
}

absl::StatusOr<Value> IntFilter(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"default", "base"}, 0));
  if (bound[1]) return Unsupported("the filter int with a base");
  const Value absent = bound[0].value_or(Value::Int(0));
  if (input.is_integral()) return Value::Int(input.integer());
  if (input.is(Kind::kFloat)) return IntOfFloat(input.number(), absent);
  if (input.is(Kind::kUndefined)) return Wrong(input.missing(), "a value");
  if (!input.is(Kind::kString)) return absent;
  ASSIGN_OR_RETURN(const std::string text, TextOf(input));
  RETURN_IF_ERROR(CheckDigits(text));
  int64_t integer = 0;
  if (absl::SimpleAtoi(text, &integer)) return Value::Int(integer);
  const std::optional<double> number = ParseFloat(text);
  return number ? IntOfFloat(*number, absent) : absent;
}

absl::StatusOr<Value> FloatFilter(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"default"}, 0));
  const Value absent = bound[0].value_or(Value::Float(0));
  if (input.is_number()) return Value::Float(input.number());
  if (input.is(Kind::kUndefined)) return Wrong(input.missing(), "a value");
  if (!input.is(Kind::kString)) return absent;
  ASSIGN_OR_RETURN(const std::string text, TextOf(input));
  RETURN_IF_ERROR(CheckDigits(text));
  const std::optional<double> number = ParseFloat(text);
  return number ? Value::Float(*number) : absent;
}

absl::StatusOr<Value> Abs(const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
  if (!input.is_number()) return Wrong(input.TypeName(), "a number");
  if (input.is(Kind::kFloat)) return Value::Float(std::abs(input.number()));
  if (input.integer() == INT64_MIN) return Unsupported("an integer of more than 64 bits");
  return Value::Int(std::abs(input.integer()));
}

absl::StatusOr<Value> Round(const Value& input, const Arguments& arguments) {
  ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"precision", "method"}, 0));
  if (!input.is_number()) return Wrong(input.TypeName(), "a number");
  ASSIGN_OR_RETURN(const int64_t precision, IntegerOr(bound[0], 0));
  if (precision < 0 || precision > 15) return Unsupported("the filter round with that precision");
  std::string method = "common";
  if (bound[1]) {
    ASSIGN_OR_RETURN(method, TextOf(*bound[1]));
  }
  if (method == "common") {
    if (input.is_integral()) return Value::Int(input.integer());
    if (!std::isfinite(input.number())) return input;
    // Correctly rounded in decimal, ties to even, as Python's round is.
    return Value::Float(
        std::stod(absl::StrFormat("%.*f", static_cast<int>(precision), input.number())));
  }
  if (method != "ceil" && method != "floor")
    return Wrong("another method of round", "common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.number() * scale;
  if (!(std::abs(scaled) < 0x1p53)) return Unsupported("the filter round of a large number");
  return Value::Float((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale + 0.0);
}

}  // namespace

absl::StatusOr<std::optional<Value>> ApplyTextFilter(const std::string& name, const Value& input,
                                                     const Arguments& arguments) {
  static constexpr NamedFilter kFilters[] = {{"trim", Trim},
                                             {"replace", ReplaceFilter},
                                             {"upper", CaseFilter<Case::kUpper>},
                                             {"lower", CaseFilter<Case::kLower>},
                                             {"title", CaseFilter<Case::kJinjaTitle>},
                                             {"capitalize", CaseFilter<Case::kCapitalize>},
                                             {"string", StringFilter},
                                             {"safe", Safe},
                                             {"escape", Escape},
                                             {"e", Escape},
                                             {"tojson", ToJsonFilter},
                                             {"indent", Indent},
                                             {"int", IntFilter},
                                             {"float", FloatFilter},
                                             {"abs", Abs},
                                             {"round", Round}};
  return ApplyFrom(kFilters, name, input, arguments);
}

}  // namespace deduce::jinja
