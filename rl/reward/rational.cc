#include "rl/reward/rational.h"

#include <algorithm>

namespace deduce {
namespace {

constexpr __int128 kLargest = static_cast<__int128>(~static_cast<unsigned __int128>(0) >> 1);
constexpr __int128 kMaxExponent = 128;

__int128 GreatestDivisor(__int128 a, __int128 b) {
  while (b != 0) {
    const __int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a < 0 ? -a : a;
}

std::string Digits(__int128 value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string digits;
  for (; value != 0; value /= 10) {
    const int digit = static_cast<int>(value % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
  }
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace

std::optional<Rational> MakeRational(__int128 numerator, __int128 denominator) {
  // The one number whose opposite does not fit.
  if (denominator == 0 || numerator < -kLargest || denominator < -kLargest) return std::nullopt;
  const __int128 divisor = GreatestDivisor(numerator, denominator) * (denominator < 0 ? -1 : 1);
  return Rational{numerator / divisor, denominator / divisor};
}

std::optional<Rational> Add(const Rational& a, const Rational& b) {
  __int128 left, right, sum, denominator;
  if (__builtin_mul_overflow(a.numerator, b.denominator, &left) ||
      __builtin_mul_overflow(b.numerator, a.denominator, &right) ||
      __builtin_add_overflow(left, right, &sum) ||
      __builtin_mul_overflow(a.denominator, b.denominator, &denominator)) {
    return std::nullopt;
  }
  return MakeRational(sum, denominator);
}

std::optional<Rational> Multiply(const Rational& a, const Rational& b) {
  __int128 numerator, denominator;
  if (__builtin_mul_overflow(a.numerator, b.numerator, &numerator) ||
      __builtin_mul_overflow(a.denominator, b.denominator, &denominator)) {
    return std::nullopt;
  }
  return MakeRational(numerator, denominator);
}

std::optional<Rational> Inverse(const Rational& a) {
  return MakeRational(a.denominator, a.numerator);
}

std::optional<Rational> Power(const Rational& base, __int128 exponent) {
  if (exponent > kMaxExponent || exponent < -kMaxExponent) return std::nullopt;
  std::optional<Rational> result = Rational{1, 1};
  for (__int128 i = 0; result && i < (exponent < 0 ? -exponent : exponent); ++i) {
    result = Multiply(*result, base);
  }
  return result && exponent < 0 ? Inverse(*result) : result;
}

__int128 Floor(const Rational& a) {
  const __int128 quotient = a.numerator / a.denominator;
  return a.numerator % a.denominator < 0 ? quotient - 1 : quotient;
}

std::optional<__int128> SquareRoot(__int128 square) {
  if (square < 0) return std::nullopt;
  __int128 low = 0, high = __int128{1} << 63;
  while (low < high) {
    const __int128 middle = (low + high + 1) / 2;
    __int128 product;
    if (!__builtin_mul_overflow(middle, middle, &product) && product <= square) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  if (low * low != square) return std::nullopt;
  return low;
}

std::string ToText(const Rational& a) {
  return a.is_integer() ? Digits(a.numerator) : Digits(a.numerator) + "/" + Digits(a.denominator);
}

}  // namespace deduce
