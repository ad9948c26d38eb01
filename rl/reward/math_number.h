// Exact rational numbers, and their values read from the ways in which answers are written.
#pragma once

#include <optional>
#include <string_view>

namespace deduce {

// A reduced fraction with a positive denominator.
struct Rational {
  __int128 numerator = 0;
  __int128 denominator = 1;
  bool operator==(const Rational&) const = default;
};

// The value of an arithmetic expression: integers, decimals, thousands separators (1,234),
// exponents (1e3), percent, factorial,
// + - * / ^, parentheses, \frac, mixed numbers (1\frac{1}{2}) and roots of perfect squares. White
// space between tokens is skipped. Nothing if the whole text is not such an expression or a step
// leaves 128 bits.
std::optional<Rational> EvaluateNumber(std::string_view text);

}  // namespace deduce
