#include "data/text/chat_template/values/value_tests.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/values/operators.h"
#include "data/text/chat_template/values/python_repr.h"
#include "data/text/chat_template/values/python_text.h"

namespace deduce::jinja {
namespace {

// Tests of the kind alone; nothing for another name.
std::optional<bool> KindTest(const std::string& name, const Value& value) {
  const Kind kind = value.kind();
  if (name == "defined") return kind != Kind::kUndefined;
  if (name == "undefined") return kind == Kind::kUndefined;
  if (name == "none") return kind == Kind::kNone;
  if (name == "boolean") return kind == Kind::kBool;
  if (name == "true") return kind == Kind::kBool && value.Truthy();
  if (name == "false") return kind == Kind::kBool && !value.Truthy();
  if (name == "integer") return kind == Kind::kInt;
  if (name == "float") return kind == Kind::kFloat;
  if (name == "number") return value.is_number();
  if (name == "string") return kind == Kind::kString;
  if (name == "mapping") return kind == Kind::kDict;
  if (name == "callable") return kind == Kind::kFunction;
  if (name == "escaped") return value.is_markup();
  // Python asks for a length and for subscripts; undefined values have both.
  if (name == "sequence") {
    return (value.is_sequence() && kind != Kind::kView) || kind == Kind::kString ||
           kind == Kind::kDict || kind == Kind::kUndefined;
  }
  if (name == "iterable") {
    return value.is_sequence() || kind == Kind::kString || kind == Kind::kDict ||
           kind == Kind::kUndefined || kind == Kind::kIterator || kind == Kind::kLoop;
  }
  return std::nullopt;
}

// The operator behind a test with one argument; null for another name.
const char* OperatorOf(const std::string& name) {
  constexpr std::pair<const char*, const char*> kOperators[] = {
      {"==", "=="},      {"eq", "=="}, {"equalto", "=="}, {"!=", "!="},
      {"ne", "!="},      {">", ">"},   {"gt", ">"},       {"greaterthan", ">"},
      {"ge", ">="},      {">=", ">="}, {"<", "<"},        {"lt", "<"},
      {"lessthan", "<"}, {"<=", "<="}, {"le", "<="},      {"in", "in"}};
  for (const auto& [known, op] : kOperators) {
    if (name == known) return op;
  }
  return nullptr;
}

absl::StatusOr<bool> Divides(const Value& value, const Value& divisor, int64_t remainder) {
  ASSIGN_OR_RETURN(const Value rest, Arithmetic("%", value, divisor));
  return Equal(rest, Value::Int(remainder));
}

absl::StatusOr<bool> Same(const Value& a, const Value& b) {
  if (a.is(Kind::kNone) || b.is(Kind::kNone)) return a.kind() == b.kind();
  if (a.is(Kind::kBool) || b.is(Kind::kBool)) {
    return a.kind() == b.kind() && a.integer() == b.integer();
  }
  return Unsupported("`is sameas` of other values than none, true and false");
}

}  // namespace

absl::StatusOr<bool> ApplyTest(const std::string& name, const Value& value,
                               const Arguments& arguments) {
  if (const std::optional<bool> result = KindTest(name, value)) {
    RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
    return *result;
  }
  if (const char* op = OperatorOf(name)) {
    ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"other"}, 1));
    return Compare(op, value, *bound[0]);
  }
  if (name == "odd" || name == "even") {
    RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
    return Divides(value, Value::Int(2), name == "odd");
  }
  if (name == "divisibleby") {
    ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"num"}, 1));
    return Divides(value, *bound[0], 0);
  }
  if (name == "sameas") {
    ASSIGN_OR_RETURN(const Bound bound, Bind(arguments, {"other"}, 1));
    return Same(value, *bound[0]);
  }
  if (name == "lower" || name == "upper") {
    RETURN_IF_ERROR(Bind(arguments, {}, 0).status());
    ASSIGN_OR_RETURN(const std::string text, Str(value));
    return HasCase(text, name == "upper");
  }
  return Unsupported(absl::StrCat("the test ", name));
}

}  // namespace deduce::jinja
