#include "rl/reward/math_number.h"

#include <cstdint>
#include <cstdlib>

#include "absl/strings/ascii.h"

namespace deduce {
namespace {

using Int = __int128;
using Value = std::optional<Rational>;

constexpr int kMaxDepth = 50;      // nested parentheses: a sample may be hostile
constexpr int kMaxExponent = 128;  // beyond it only 0 and +-1 stay inside 128 bits

Int Gcd(Int a, Int b) {
  while (b != 0) {
    const Int rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

Value Reduced(Int numerator, Int denominator) {
  if (denominator == 0) return std::nullopt;
  const Int divisor = Gcd(numerator, denominator) * (denominator < 0 ? -1 : 1);
  return Rational{numerator / divisor, denominator / divisor};
}

Value Add(const Rational& a, const Rational& b) {
  Int left, right, sum, denominator;
  if (__builtin_mul_overflow(a.numerator, b.denominator, &left) ||
      __builtin_mul_overflow(b.numerator, a.denominator, &right) ||
      __builtin_add_overflow(left, right, &sum) ||
      __builtin_mul_overflow(a.denominator, b.denominator, &denominator)) {
    return std::nullopt;
  }
  return Reduced(sum, denominator);
}

Value Multiply(const Rational& a, const Rational& b) {
  Int numerator, denominator;
  if (__builtin_mul_overflow(a.numerator, b.numerator, &numerator) ||
      __builtin_mul_overflow(a.denominator, b.denominator, &denominator)) {
    return std::nullopt;
  }
  return Reduced(numerator, denominator);
}

Value Inverse(const Rational& a) { return Reduced(a.denominator, a.numerator); }

Value Power(const Rational& base, const Rational& exponent) {
  const Int e = exponent.numerator;
  if (exponent.denominator != 1 || e > kMaxExponent || e < -kMaxExponent) return std::nullopt;
  Value result = Rational{1, 1};
  for (Int i = 0; result && i < (e < 0 ? -e : e); ++i) result = Multiply(*result, base);
  return result && e < 0 ? Inverse(*result) : result;
}

// The root of a perfect square.
std::optional<Int> Root(Int square) {
  constexpr Int kMost = Int{1} << 62;
  if (square < 0 || square >= kMost) return std::nullopt;
  Int low = 0, high = Int{1} << 31;
  while (low < high) {
    const Int middle = (low + high + 1) / 2;
    if (middle * middle <= square) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  if (low * low != square) return std::nullopt;
  return low;
}

// Recursive descent, one function a level of precedence. Each returns nothing on an error, which
// ends the whole.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Value Whole() {
    const Value value = Sum();
    Skip();
    return at_ == text_.size() ? value : std::nullopt;
  }

 private:
  void Skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool Take(std::string_view token) {
    Skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  bool DigitAt(size_t i) const { return i < text_.size() && absl::ascii_isdigit(text_[i]); }

  Value Sum() {
    Value sum = Product();
    while (sum) {
      const bool minus = Take("-");
      if (!minus && !Take("+")) break;
      Value next = Product();
      if (next && minus) next = Multiply(*next, {-1, 1});
      sum = next ? Add(*sum, *next) : std::nullopt;
    }
    return sum;
  }

  Value Product() {
    Value product = Signed();
    while (product) {
      const bool divide = Take("/");
      if (!divide && !Take("*")) break;
      Value next = Signed();
      if (next && divide) next = Inverse(*next);
      product = next ? Multiply(*product, *next) : std::nullopt;
    }
    return product;
  }

  Value Signed() {
    bool minus = false;
    for (bool more = true; more;) {
      const bool another = Take("-");
      minus ^= another;
      more = another || Take("+");
    }
    const Value value = Postfixed();
    return value && minus ? Multiply(*value, {-1, 1}) : value;
  }

  Value Postfixed() {
    Value value = Primary();
    if (value && Take("!")) value = Factorial(*value);
    if (value && Take("^")) {
      const Value exponent = Argument();
      value = exponent ? Power(*value, *exponent) : std::nullopt;
    }
    if (value && Take("%")) value = Multiply(*value, {1, 100});
    return value;
  }

  Value Primary() {
    if (Take("\\frac")) return Fraction();
    if (Take("\\sqrt")) {
      const Value square = Argument();
      if (!square) return std::nullopt;
      const auto numerator = Root(square->numerator), denominator = Root(square->denominator);
      if (!numerator || !denominator) return std::nullopt;
      return Rational{*numerator, *denominator};
    }
    if (Take("(")) return Enclosed(")");
    const Value number = Number();
    if (number && number->denominator == 1 && Take("\\frac")) {
      const Value part = Fraction();
      return part ? Add(*number, *part) : std::nullopt;
    }
    return number;
  }

  Value Fraction() {
    const Value numerator = Argument();
    const Value denominator = numerator ? Argument() : std::nullopt;
    const Value inverse = denominator ? Inverse(*denominator) : std::nullopt;
    return inverse ? Multiply(*numerator, *inverse) : std::nullopt;
  }

  // The argument of a command or an exponent: a group, or a single (signed) digit.
  Value Argument() {
    if (Take("{")) return Enclosed("}");
    const bool minus = Take("-");
    Skip();
    if (!DigitAt(at_)) return std::nullopt;
    const Int digit = text_[at_++] - '0';
    return Rational{minus ? -digit : digit, 1};
  }

  Value Enclosed(std::string_view close) {
    if (++depth_ > kMaxDepth) return std::nullopt;
    const Value value = Sum();
    --depth_;
    return Take(close) ? value : std::nullopt;
  }

  static Value Factorial(const Rational& n) {
    if (n.denominator != 1 || n.numerator < 0 || n.numerator > 33) return std::nullopt;
    Int product = 1;
    for (Int i = 2; i <= n.numerator; ++i) product *= i;
    return Rational{product, 1};
  }

  // A comma is part of a number if exactly three digits follow, and never after the point.
  bool SeparatorAt(size_t i) const {
    return i < text_.size() && text_[i] == ',' && DigitAt(i + 1) && DigitAt(i + 2) &&
           DigitAt(i + 3) && !DigitAt(i + 4);
  }

  Value Number() {
    Skip();
    Int digits = 0, scale = 1;
    size_t count = 0;
    bool point = false;
    const size_t begin = at_;
    size_t group = 0;  // digits since the last separator
    bool separated = false;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '.' && !point) {
        point = true;
      } else if (!point && at_ > begin && SeparatorAt(at_) && group <= 3 &&
                 (!separated || group == 3)) {
        separated = true;
        group = 0;
      } else if (DigitAt(at_)) {
        ++count;
        ++group;
        if (__builtin_mul_overflow(digits, Int{10}, &digits) ||
            __builtin_add_overflow(digits, Int{text_[at_] - '0'}, &digits) ||
            (point && __builtin_mul_overflow(scale, Int{10}, &scale))) {
          return std::nullopt;
        }
      } else {
        break;
      }
    }
    if (count == 0) return std::nullopt;
    const Value number = Reduced(digits, scale);
    return number ? WithExponent(*number) : number;
  }

  // A number directly followed by e or E, a sign and one to three digits.
  Value WithExponent(const Rational& number) {
    if (at_ >= text_.size() || (text_[at_] != 'e' && text_[at_] != 'E')) return number;
    size_t i = at_ + 1;
    const bool minus = i < text_.size() && text_[i] == '-';
    if (minus || (i < text_.size() && text_[i] == '+')) ++i;
    if (!DigitAt(i)) return number;
    Int exponent = 0;
    for (; DigitAt(i) && exponent < 1000; ++i) exponent = 10 * exponent + (text_[i] - '0');
    at_ = i;
    const Value factor = Power({10, 1}, {minus ? -exponent : exponent, 1});
    return factor ? Multiply(number, *factor) : std::nullopt;
  }

  std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::optional<Rational> EvaluateNumber(std::string_view text) { return Parser(text).Whole(); }

}  // namespace deduce
