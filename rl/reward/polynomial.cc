#include "rl/reward/polynomial.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

constexpr __int128 kMaxPowerOfSum = 16;
constexpr __int128 kMaxRoot = 64;
constexpr __int128 kLargestDivisor = 1000;  // by which whole numbers are taken apart

// A term while it is made.
struct Term {
  Rational coefficient = {1, 1};
  Monomial monomial;
};

// Numbers under a root keep exponents in (0, 1); the rest belongs to the coefficient.
bool MultiplyBy(const std::string& atom, const Rational& exponent, Term& term) {
  const auto old = term.monomial.find(atom);
  const auto sum = Add(exponent, old == term.monomial.end() ? Rational{} : old->second);
  if (!sum) return false;
  Rational rest = *sum;
  if (absl::ascii_isdigit(atom[0])) {
    const __int128 whole = Floor(rest);
    __int128 base = 0;
    for (const char digit : atom) base = base * 10 + (digit - '0');
    const auto factor = Power({base, 1}, whole);
    const auto coefficient = factor ? Multiply(term.coefficient, *factor) : std::nullopt;
    const auto left = Add(rest, Rational{-whole, 1});
    if (!coefficient || !left) return false;
    term.coefficient = *coefficient;
    rest = *left;
  }
  if (rest.numerator == 0) {
    term.monomial.erase(atom);
  } else {
    term.monomial[atom] = rest;
  }
  return true;
}

bool MultiplyBy(const Monomial& monomial, Term& term) {
  for (const auto& [atom, exponent] : monomial) {
    if (!MultiplyBy(atom, exponent, term)) return false;
  }
  return true;
}

// Multiplies by number^exponent, the number positive: prime by prime, as far as small ones go.
bool MultiplyByRoot(__int128 number, const Rational& exponent, Term& term) {
  const auto multiply = [&](__int128 factor, __int128 times) {
    const auto power = Multiply(exponent, Rational{times, 1});
    return times == 0 || (power && MultiplyBy(ToText({factor, 1}), *power, term));
  };
  for (__int128 divisor = 2; divisor <= kLargestDivisor && divisor * divisor <= number; ++divisor) {
    __int128 times = 0;
    for (; number % divisor == 0; number /= divisor) ++times;
    if (!multiply(divisor, times)) return false;
  }
  if (number == 1) return true;
  const auto root = SquareRoot(number);
  return root ? multiply(*root, 2) : multiply(number, 1);
}

std::optional<Polynomial> OfTerm(const Term& term) {
  Polynomial result;
  if (!result.AddTerm(term.monomial, term.coefficient)) return std::nullopt;
  return result;
}

// Only positive atoms may be taken out of a root: numbers and constants.
bool IsPositive(const std::string& atom) {
  return absl::ascii_isdigit(atom[0]) || atom == "\\pi" || atom == "e";
}

std::optional<Polynomial> RootOfTerm(const Monomial& monomial, const Rational& coefficient,
                                     const Rational& exponent) {
  if (coefficient.numerator < 0) return std::nullopt;
  Term term;
  const auto opposite = Multiply(exponent, Rational{-1, 1});
  if (!opposite || !MultiplyByRoot(coefficient.numerator, exponent, term) ||
      !MultiplyByRoot(coefficient.denominator, *opposite, term)) {
    return std::nullopt;
  }
  for (const auto& [atom, power] : monomial) {
    // The root of x^2 is not x.
    const bool even = power.is_integer() && power.numerator % 2 == 0;
    const auto product = Multiply(power, exponent);
    if (!product) return std::nullopt;
    const bool kept = even && !IsPositive(atom);
    if (!(kept ? MultiplyBy(absl::StrCat("(", atom, "^", ToText(power), ")"), exponent, term)
               : MultiplyBy(atom, *product, term))) {
      return std::nullopt;
    }
  }
  return OfTerm(term);
}

// The positive number that, taken out, leaves whole coefficients without a common divisor.
std::optional<Rational> Content(const Polynomial& sum) {
  __int128 divisor = 0, multiple = 1;
  const auto greatest = [](__int128 a, __int128 b) {
    for (a = a < 0 ? -a : a; b != 0;) a = std::exchange(b, a % b);
    return a;
  };
  for (const auto& [monomial, coefficient] : sum.terms()) {
    divisor = greatest(coefficient.numerator, divisor);
    const __int128 factor = coefficient.denominator / greatest(multiple, coefficient.denominator);
    if (__builtin_mul_overflow(multiple, factor, &multiple)) return std::nullopt;
  }
  return MakeRational(divisor, multiple);
}

std::optional<Polynomial> Divided(const Polynomial& sum, const Rational& divisor) {
  const auto inverse = Inverse(divisor);
  return inverse ? Multiply(sum, Polynomial::Constant(*inverse)) : std::nullopt;
}

// A power of a sum as a number and an atom. With a whole exponent the sum's sign comes out, too.
std::optional<Polynomial> PowerOfSum(const Polynomial& sum, const Rational& exponent) {
  auto content = Content(sum);
  if (content && exponent.is_integer() && sum.terms().begin()->second.numerator < 0) {
    content = Multiply(*content, Rational{-1, 1});
  }
  const auto primitive = content ? Divided(sum, *content) : std::nullopt;
  const auto factor = primitive ? Power(Polynomial::Constant(*content), exponent) : std::nullopt;
  if (!factor) return std::nullopt;
  const std::string name = absl::StrCat("(", primitive->Text(), ")");
  if (name.size() > Polynomial::kMaxAtomLength) return std::nullopt;
  Polynomial atom;
  atom.AddTerm({{name, exponent}}, {1, 1});
  return Multiply(*factor, atom);
}

// 1/(a + b) as (a - b)/(a^2 - b^2), where both squares are rational numbers.
std::optional<Polynomial> InverseByConjugate(const Polynomial& sum) {
  Polynomial conjugate, difference;
  Rational sign = {1, 1};
  for (const auto& [monomial, coefficient] : sum.terms()) {
    for (const auto& [atom, exponent] : monomial) {
      if (!absl::ascii_isdigit(atom[0]) || exponent != Rational{1, 2}) return std::nullopt;
    }
    Polynomial term;
    term.AddTerm(monomial, coefficient);
    const auto square = Multiply(term, term);
    const auto signed_square =
        square ? Multiply(*square, Polynomial::Constant(sign)) : std::nullopt;
    const auto total = signed_square ? Add(difference, *signed_square) : std::nullopt;
    const auto signed_coefficient = Multiply(coefficient, sign);
    if (!total || !signed_coefficient) return std::nullopt;
    difference = *total;
    conjugate.AddTerm(monomial, *signed_coefficient);
    sign = {-1, 1};
  }
  const auto value = difference.AsRational();
  const auto inverse = value ? Inverse(*value) : std::nullopt;
  return inverse ? Multiply(conjugate, Polynomial::Constant(*inverse)) : std::nullopt;
}

}  // namespace

Polynomial Polynomial::Constant(const Rational& value) {
  Polynomial result;
  result.AddTerm({}, value);
  return result;
}

Polynomial Polynomial::Atom(const std::string& name) {
  Polynomial result;
  result.AddTerm({{name, {1, 1}}}, {1, 1});
  return result;
}

std::optional<Rational> Polynomial::AsRational() const {
  if (terms_.empty()) return Rational{};
  if (terms_.size() > 1 || !terms_.begin()->first.empty()) return std::nullopt;
  return terms_.begin()->second;
}

std::string Polynomial::Text() const {
  if (terms_.empty()) return "0";
  std::string text;
  for (const auto& [monomial, coefficient] : terms_) {
    absl::StrAppend(&text, text.empty() ? "" : "+", ToText(coefficient));
    for (const auto& [atom, exponent] : monomial) {
      absl::StrAppend(&text, "*", atom);
      if (exponent != Rational{1, 1}) absl::StrAppend(&text, "^", ToText(exponent));
    }
  }
  return text;
}

bool Polynomial::AddTerm(const Monomial& monomial, const Rational& coefficient) {
  if (coefficient.numerator == 0) return true;
  const auto place = terms_.find(monomial);
  if (place == terms_.end()) {
    terms_[monomial] = coefficient;
    return terms_.size() <= kMaxTerms;
  }
  const auto sum = Add(place->second, coefficient);
  if (!sum) return false;
  place->second = *sum;
  if (sum->numerator == 0) terms_.erase(place);
  return true;
}

std::optional<Polynomial> Add(const Polynomial& a, const Polynomial& b) {
  Polynomial sum = a;
  for (const auto& [monomial, coefficient] : b.terms()) {
    if (!sum.AddTerm(monomial, coefficient)) return std::nullopt;
  }
  return sum;
}

std::optional<Polynomial> Multiply(const Polynomial& a, const Polynomial& b) {
  Polynomial product;
  for (const auto& [left, left_coefficient] : a.terms()) {
    for (const auto& [right, right_coefficient] : b.terms()) {
      const auto coefficient = Multiply(left_coefficient, right_coefficient);
      if (!coefficient) return std::nullopt;
      Term term{*coefficient, left};
      if (!MultiplyBy(right, term)) return std::nullopt;
      if (!product.AddTerm(term.monomial, term.coefficient)) return std::nullopt;
    }
  }
  return product;
}

std::optional<Polynomial> Inverse(const Polynomial& a) {
  if (a.is_zero()) return std::nullopt;
  if (a.terms().size() == 2) {
    if (auto inverse = InverseByConjugate(a)) return inverse;
  }
  if (a.terms().size() > 1) return PowerOfSum(a, {-1, 1});
  const auto& [monomial, coefficient] = *a.terms().begin();
  const auto inverse = Inverse(coefficient);
  if (!inverse) return std::nullopt;
  Term term{*inverse, {}};
  for (const auto& [atom, exponent] : monomial) {
    const auto opposite = Multiply(exponent, Rational{-1, 1});
    if (!opposite || !MultiplyBy(atom, *opposite, term)) return std::nullopt;
  }
  return OfTerm(term);
}

std::optional<Polynomial> Power(const Polynomial& base, const Rational& exponent) {
  if (base.is_zero()) {
    if (exponent.numerator <= 0) return std::nullopt;
    return base;
  }
  if (!exponent.is_integer()) {
    if (exponent.denominator > kMaxRoot || exponent.numerator > kMaxRoot ||
        exponent.numerator < -kMaxRoot) {
      return std::nullopt;
    }
    if (base.terms().size() > 1) return PowerOfSum(base, exponent);
    return RootOfTerm(base.terms().begin()->first, base.terms().begin()->second, exponent);
  }
  const __int128 times = exponent.numerator < 0 ? -exponent.numerator : exponent.numerator;
  if (const auto number = base.AsRational()) {
    const auto power = Power(*number, exponent.numerator);
    return power ? std::optional(Polynomial::Constant(*power)) : std::nullopt;
  }
  if (times > (base.terms().size() > 1 ? kMaxPowerOfSum : __int128{128})) return std::nullopt;
  std::optional<Polynomial> power = Polynomial::Constant({1, 1});
  for (__int128 i = 0; power && i < times; ++i) power = Multiply(*power, base);
  return power && exponent.numerator < 0 ? Inverse(*power) : power;
}

std::optional<Polynomial> Primitive(const Polynomial& sum) {
  if (sum.is_zero()) return sum;
  const auto content = Content(sum);
  return content ? Divided(sum, *content) : std::nullopt;
}

}  // namespace deduce
