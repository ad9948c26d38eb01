#include "data/text/chat_template/values/operators.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/text/chat_template/values/arguments.h"
#include "data/text/chat_template/values/python_text.h"

namespace deduce::jinja {
namespace {

absl::Status WrongOperands(const std::string& op, const Value& a, const Value& b) {
  if (a.is(Kind::kUndefined)) return Wrong(a.missing(), "a value");
  if (b.is(Kind::kUndefined)) return Wrong(b.missing(), "a value");
  return Wrong(absl::StrCat(a.TypeName(), " ", op, " ", b.TypeName()), "operands that go together");
}

absl::Status Overflow() { return Unsupported("an integer of more than 64 bits"); }

absl::StatusOr<Value> IntegerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return Wrong("0 to a negative power", "another base");
    return Value::Float(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  if (base == 0 || base == 1) return Value::Int(exponent == 0 ? 1 : base);
  if (base == -1) return Value::Int(exponent % 2 == 0 ? 1 : -1);
  for (; exponent > 0; --exponent) {
    if (__builtin_mul_overflow(result, base, &result)) return Overflow();
  }
  return Value::Int(result);
}

absl::StatusOr<Value> OfIntegers(const std::string& op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "+")
    return __builtin_add_overflow(a, b, &result) ? absl::StatusOr<Value>(Overflow())
                                                 : Value::Int(result);
  if (op == "-")
    return __builtin_sub_overflow(a, b, &result) ? absl::StatusOr<Value>(Overflow())
                                                 : Value::Int(result);
  if (op == "*")
    return __builtin_mul_overflow(a, b, &result) ? absl::StatusOr<Value>(Overflow())
                                                 : Value::Int(result);
  if (op == "**") return IntegerPower(a, b);
  if (b == 0) return Wrong(absl::StrCat("a division ", op, " by zero"), "another divisor");
  if (op == "/") {
    constexpr int64_t kExact = int64_t{1} << 53;
    if (std::max(a, b) > kExact || std::min(a, b) < -kExact) return Overflow();
    return Value::Float(static_cast<double>(a) / static_cast<double>(b));
  }
  if (a == std::numeric_limits<int64_t>::min() && b == -1) return Overflow();
  const int64_t remainder = a % b;
  const bool rounds_down = remainder != 0 && (remainder < 0) != (b < 0);
  return Value::Int(op == "//" ? a / b - rounds_down : remainder + (rounds_down ? b : 0));
}

// Python's float.__divmod__: the remainder has the divisor's sign.
absl::StatusOr<Value> FloatDivision(const std::string& op, double a, double b) {
  if (b == 0) return Wrong(absl::StrCat("a division ", op, " by zero"), "another divisor");
  if (op == "/") return Value::Float(a / b);
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0) {
    if ((b < 0) != (remainder < 0)) {
      remainder += b;
      quotient -= 1;
    }
  } else {
    remainder = std::copysign(0.0, b);
  }
  if (op == "%") return Value::Float(remainder);
  double floored = std::copysign(0.0, a / b);
  if (quotient != 0) {
    floored = std::floor(quotient);
    if (quotient - floored > 0.5) floored += 1;
  }
  return Value::Float(floored);
}

absl::StatusOr<Value> OfNumbers(const std::string& op, const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral())
    return OfIntegers(op, left.integer(), right.integer());
  const double a = left.number(), b = right.number();
  if (op == "+") return Value::Float(a + b);
  if (op == "-") return Value::Float(a - b);
  if (op == "*") return Value::Float(a * b);
  if (op == "**") return Unsupported("a power of floats");
  return FloatDivision(op, a, b);
}

// A string, list or tuple, `times` times.
absl::StatusOr<Value> Repeat(const Value& value, int64_t times) {
  times = std::max<int64_t>(times, 0);
  if (times > 0 && value.weight() > kMaxText / times) {
    return CheckTextSize(std::numeric_limits<int64_t>::max());
  }
  if (value.is(Kind::kString)) {
    ASSIGN_OR_RETURN(const std::string text, TextOf(value));
    std::string result;
    for (int64_t i = 0; i < times; ++i) result += text;
    return Value::String(std::move(result));
  }
  std::vector<Value> items;
  for (int64_t i = 0; i < times; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return Value::Sequence(value.kind(), std::move(items));
}

bool Repeats(const Value& value) {
  return value.is(Kind::kString) || value.is(Kind::kList) || value.is(Kind::kTuple);
}

absl::StatusOr<bool> Contains(const Value& container, const Value& item) {
  if (container.is(Kind::kString)) {
    if (!item.is(Kind::kString)) {
      return Wrong(absl::StrCat(item.TypeName(), " in a string"), "a string");
    }
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is(Kind::kDict)) {
    Entries probe;  // refuses what has no hash
    RETURN_IF_ERROR(SetKey(probe, item, Value::None()));
    return FindKey(container.entries(), item) != nullptr;
  }
  if (container.is(Kind::kIterator)) return Unsupported("`in` on a generator");
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(container));
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& other) { return Equal(other, item); });
}

}  // namespace

absl::StatusOr<Value> Arithmetic(const std::string& op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return OfNumbers(op, a, b);
  if (op == "+" && a.is(Kind::kString) && b.is(Kind::kString)) {
    ASSIGN_OR_RETURN(const std::string left, TextOf(a));
    ASSIGN_OR_RETURN(const std::string right, TextOf(b));
    RETURN_IF_ERROR(CheckTextSize(left.size() + right.size()));
    return Value::String(absl::StrCat(left, right));
  }
  if (op == "+" && a.kind() == b.kind() && (a.is(Kind::kList) || a.is(Kind::kTuple))) {
    RETURN_IF_ERROR(CheckTextSize(a.weight() + b.weight()));
    std::vector<Value> items = a.items();
    items.insert(items.end(), b.items().begin(), b.items().end());
    return Value::Sequence(a.kind(), std::move(items));
  }
  if (op == "*" && Repeats(a) && b.is_integral()) return Repeat(a, b.integer());
  if (op == "*" && a.is_integral() && Repeats(b)) return Repeat(b, a.integer());
  if (op == "%" && a.is(Kind::kString)) return Unsupported("a string formatted with %");
  return WrongOperands(op, a, b);
}

absl::StatusOr<Value> Signed(const std::string& op, const Value& value) {
  if (value.is(Kind::kUndefined)) return Wrong(value.missing(), "a value");
  if (!value.is_number())
    return Wrong(absl::StrCat(op, " in front of ", value.TypeName()), "a number");
  if (value.is(Kind::kFloat)) return Value::Float(op == "-" ? -value.number() : value.number());
  if (op == "+") return Value::Int(value.integer());
  return OfIntegers("-", 0, value.integer());
}

absl::StatusOr<bool> Less(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.integer() < b.integer();
    return a.number() < b.number();
  }
  if (a.is(Kind::kString) && b.is(Kind::kString)) return a.text() < b.text();
  if (a.kind() == b.kind() && (a.is(Kind::kList) || a.is(Kind::kTuple))) {
    const size_t size = std::min(a.items().size(), b.items().size());
    for (size_t i = 0; i < size; ++i) {
      if (!Equal(a.items()[i], b.items()[i])) return Less(a.items()[i], b.items()[i]);
    }
    return a.items().size() < b.items().size();
  }
  return WrongOperands("<", a, b);
}

absl::StatusOr<bool> Compare(const std::string& op, const Value& a, const Value& b) {
  if (op == "in") return Contains(b, a);
  if (op == "not in") {
    ASSIGN_OR_RETURN(const bool contains, Contains(b, a));
    return !contains;
  }
  if (op == "==" || op == "!=") {
    if (a.is(Kind::kView) && b.is(Kind::kView)) return Unsupported("comparing views of dicts");
    return Equal(a, b) == (op == "==");
  }
  if (op == "<") return Less(a, b);
  if (op == ">") return Less(b, a);
  // a <= b is not b < a where there is a NaN; nothing else differs.
  const bool is_nan = (a.is(Kind::kFloat) && std::isnan(a.number())) ||
                      (b.is(Kind::kFloat) && std::isnan(b.number()));
  ASSIGN_OR_RETURN(const bool more, op == "<=" ? Less(b, a) : Less(a, b));
  return !more && !is_nan;
}

}  // namespace deduce::jinja
