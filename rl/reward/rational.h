// Exact rational numbers of 128 bits.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace deduce {

// A reduced fraction with a positive denominator.
struct Rational {
  __int128 numerator = 0;
  __int128 denominator = 1;

  bool is_integer() const { return denominator == 1; }
  // An order for containers, not the order of values.
  auto operator<=>(const Rational&) const = default;
};

// Each gives nothing where the result leaves 128 bits or divides by zero.
std::optional<Rational> MakeRational(__int128 numerator, __int128 denominator);
std::optional<Rational> Add(const Rational& a, const Rational& b);
std::optional<Rational> Multiply(const Rational& a, const Rational& b);
std::optional<Rational> Inverse(const Rational& a);
// Exponents beyond +-128 are refused, since only 0 and +-1 would stay inside 128 bits.
std::optional<Rational> Power(const Rational& base, __int128 exponent);

// The greatest whole number that is not larger.
__int128 Floor(const Rational& a);

// The root of a perfect square; nothing of any other number.
std::optional<__int128> SquareRoot(__int128 square);

// "3", "-1/2".
std::string ToText(const Rational& a);

}  // namespace deduce
