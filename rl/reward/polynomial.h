// Sums of products of powers with exact coefficients, in one form: equal texts are equal values.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "rl/reward/rational.h"

namespace deduce {

// Atoms and their exponents, none 0. An atom is a name ("x", "\pi"), a whole number under a root,
// with an exponent in (0, 1) ("2" with 1/2 is the root of 2), or what is not taken apart further
// ("(x+1)" with -1, "\sin(x)").
using Monomial = std::map<std::string, Rational>;

// At most kMaxTerms terms. Coefficients are not 0.
class Polynomial {
 public:
  static constexpr size_t kMaxTerms = 32;
  static constexpr size_t kMaxAtomLength = 400;  // atoms in atoms would grow without end

  Polynomial() = default;  // 0
  static Polynomial Constant(const Rational& value);
  static Polynomial Atom(const std::string& name);

  const std::map<Monomial, Rational>& terms() const { return terms_; }
  // The value, if it is a rational number.
  std::optional<Rational> AsRational() const;
  bool is_zero() const { return terms_.empty(); }
  std::string Text() const;

  // Adds coefficient * monomial; false if that leaves the bounds.
  bool AddTerm(const Monomial& monomial, const Rational& coefficient);

 private:
  std::map<Monomial, Rational> terms_;
};

// Each gives nothing where a number leaves 128 bits, there are too many terms, or a rule does not
// say what the value is (0 to a negative power, even roots of negative numbers). Products are
// multiplied out, squares taken out of roots, and roots out of denominators of one or two terms.
std::optional<Polynomial> Add(const Polynomial& a, const Polynomial& b);
std::optional<Polynomial> Multiply(const Polynomial& a, const Polynomial& b);
std::optional<Polynomial> Inverse(const Polynomial& a);
std::optional<Polynomial> Power(const Polynomial& base, const Rational& exponent);

// `sum` divided by a positive number such that its coefficients are whole numbers without a common
// divisor.
std::optional<Polynomial> Primitive(const Polynomial& sum);

}  // namespace deduce
