#include "rl/reward/math_expression.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

using Kind = MathToken::Kind;
using Value = std::optional<Polynomial>;

constexpr int kMaxDepth = 50;
constexpr size_t kLongestProductOfNames = 3;  // ab is a product, "even" a word

constexpr std::string_view kFunctions[] = {
    "sin",  "cos",  "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh",
    "cosh", "tanh", "log", "ln",  "lg",  "exp", "gcd",    "lcm",    "det",    "arg"};
constexpr std::string_view kNames[] = {
    "\\pi",    "\\infty",  "\\alpha", "\\beta",  "\\gamma",     "\\delta",  "\\epsilon",
    "\\theta", "\\lambda", "\\mu",    "\\rho",   "\\sigma",     "\\phi",    "\\varphi",
    "\\omega", "\\tau",    "\\eta",   "\\kappa", "\\zeta",      "\\xi",     "\\nu",
    "\\psi",   "\\chi",    "\\Delta", "\\Omega", "\\Gamma",     "\\Lambda", "\\Phi",
    "\\Psi",   "\\Sigma",  "\\Theta", "\\ell",   "\\varnothing"};

template <typename Table>
bool IsOneOf(const Table& table, std::string_view text) {
  return std::find(std::begin(table), std::end(table), text) != std::end(table);
}

Value Scaled(const Polynomial& value, const Rational& factor) {
  return Multiply(value, Polynomial::Constant(factor));
}

Value NamedAtom(const std::string& name) {
  if (name.size() > Polynomial::kMaxAtomLength) return std::nullopt;
  return Polynomial::Atom(name);
}

// Recursive descent, one function a level of precedence. Each returns nothing on an error, which
// ends the whole.
class ExpressionParser {
 public:
  ExpressionParser(std::span<const MathToken> tokens, int sign) : tokens_(tokens), sign_(sign) {}

  Value Whole() {
    Value value = Sum();
    return at_ == tokens_.size() ? value : std::nullopt;
  }

 private:
  bool Next(std::string_view sign) const { return at_ < tokens_.size() && tokens_[at_].Is(sign); }
  bool Take(std::string_view sign) {
    if (!Next(sign)) return false;
    ++at_;
    return true;
  }
  // The token `ahead` of the next one; null behind the last.
  const MathToken* Peek(size_t ahead = 0) const {
    return at_ + ahead < tokens_.size() ? &tokens_[at_ + ahead] : nullptr;
  }

  Value Sum() {
    if (++depth_ > kMaxDepth) return std::nullopt;
    Value sum = Product();
    while (sum && (Next("+") || Next("-") || Next("\\pm") || Next("\\mp"))) {
      const Value next = Product();  // which takes the sign
      sum = next ? Add(*sum, *next) : std::nullopt;
    }
    --depth_;
    return sum;
  }

  Value Product() {
    Value product = Signed();
    bool divided = false;
    while (product) {
      Value next;
      if (Take("*")) {
        next = Signed();
        divided = false;
      } else if (Take("/")) {
        next = Signed();
        if (next) next = Inverse(*next);
        divided = true;
      } else if (BeginsFactor()) {
        if (divided) return std::nullopt;  // 1/2x
        if (Peek()->kind == Kind::kNumber) return std::nullopt;
        next = Factor();
      } else {
        break;
      }
      product = next ? Multiply(*product, *next) : std::nullopt;
    }
    return product;
  }

  bool BeginsFactor() const {
    const MathToken* token = Peek();
    if (token == nullptr) return false;
    if (token->kind == Kind::kNumber || token->kind == Kind::kName) return true;
    if (token->kind == Kind::kWord) return true;
    if (token->kind == Kind::kSign) {
      return token->text == "(" || token->text == "{" || token->text == "[" ||
             (token->text == "|" && num_bars_ == 0);
    }
    return IsOneOf(kNames, token->text) || IsFunctionName(token->text.substr(1)) ||
           token->text == "\\frac" || token->text == "\\sqrt" || token->text == "\\unicoderoot" ||
           token->text == "\\binom";
  }

  Value Signed() {
    int sign = 1;
    for (;;) {
      if (Take("-")) {
        sign = -sign;
      } else if (Take("\\pm")) {
        sign *= sign_;
      } else if (Take("\\mp")) {
        sign *= -sign_;
      } else if (!Take("+")) {
        break;
      }
    }
    const Value value = Factor();
    return value && sign < 0 ? Scaled(*value, {-1, 1}) : value;
  }

  Value Factor() {
    if (++depth_ > kMaxDepth) return std::nullopt;
    Value value = Primary();
    if (value && Take("!")) value = Factorial(*value);
    if (value && Take("^")) value = Raised(*value);
    if (value && Take("%")) value = Scaled(*value, {1, 100});
    --depth_;
    if (Next("^") || Next("!") || Next("%")) return std::nullopt;
    return value;
  }

  Value Raised(const Polynomial& base) {
    const Value exponent = Exponent();
    if (!exponent) return std::nullopt;
    if (const auto number = exponent->AsRational()) return Power(base, *number);
    return NamedAtom(absl::StrCat("(", base.Text(), ")^(", exponent->Text(), ")"));
  }

  Value Exponent() {
    const bool minus = Take("-");
    const Value value = Argument();
    return value && minus ? Scaled(*value, {-1, 1}) : value;
  }

  // Reads the argument of a command or of ^: a group, or one token.
  Value Argument() {
    if (Take("{")) return Enclosed("}");
    if (Take("(")) return Enclosed(")");
    const MathToken* token = Peek();
    if (token == nullptr) return std::nullopt;
    if (token->kind == Kind::kNumber) return Polynomial::Constant(tokens_[at_++].value);
    if (token->kind == Kind::kName || IsOneOf(kNames, token->text)) {
      return NamedAtom(tokens_[at_++].text);
    }
    if (token->text == "\\frac" || token->text == "\\sqrt") return Factor();
    return std::nullopt;
  }

  Value Enclosed(std::string_view close) {
    const int bars = std::exchange(num_bars_, 0);
    const Value value = Sum();
    num_bars_ = bars;
    return Take(close) ? value : std::nullopt;
  }

  static Value Factorial(const Polynomial& value) {
    const auto n = value.AsRational();
    if (!n || !n->is_integer() || n->numerator < 0 || n->numerator > 33) return std::nullopt;
    __int128 product = 1;
    for (__int128 i = 2; i <= n->numerator; ++i) product *= i;
    return Polynomial::Constant({product, 1});
  }

  Value Primary() {
    const MathToken* token = Peek();
    if (token == nullptr) return std::nullopt;
    switch (token->kind) {
      case Kind::kNumber:
        return Number();
      case Kind::kName:
        return Name();
      case Kind::kWord:
        return Word();
      case Kind::kCommand:
        return Command();
      case Kind::kSign:
        break;
    }
    if (Take("(")) return Enclosed(")");
    if (Take("[")) return Enclosed("]");
    if (Take("{")) return Enclosed("}");
    if (num_bars_ == 0 && Take("|")) return Absolute();
    return std::nullopt;
  }

  Value Absolute() {
    ++num_bars_;
    const Value value = Sum();
    --num_bars_;
    if (!value || !Take("|")) return std::nullopt;
    const auto number = value->AsRational();
    if (!number) return NamedAtom(absl::StrCat("|", value->Text(), "|"));
    return Polynomial::Constant(
        {std::max(number->numerator, -number->numerator), number->denominator});
  }

  // A number, or a mixed one: 1 1/2, 1\frac{1}{2}.
  Value Number() {
    const MathToken& token = tokens_[at_++];
    const Polynomial whole = Polynomial::Constant(token.value);
    if (!token.whole) return whole;
    const MathToken* numerator = Peek();
    if (numerator == nullptr) return whole;
    if (numerator->Is("\\frac")) return MixedWithFraction(whole);
    const MathToken* denominator = Peek(2);
    if (numerator->kind != Kind::kNumber || denominator == nullptr || !Peek(1)->Is("/") ||
        denominator->kind != Kind::kNumber || !numerator->whole || !denominator->whole) {
      return whole;
    }
    at_ += 3;
    const auto inverse = Inverse(denominator->value);
    const auto part = inverse ? Multiply(numerator->value, *inverse) : std::nullopt;
    if (!part || part->numerator >= part->denominator || part->numerator == 0) return std::nullopt;
    if (BeginsFactor() || Next("^") || Next("!")) return std::nullopt;
    return Add(whole, Polynomial::Constant(*part));
  }

  // Before a fraction of whole numbers a number is a summand, before any other a factor.
  Value MixedWithFraction(const Polynomial& whole) {
    ++at_;
    const auto fraction = Fraction();
    if (!fraction) return std::nullopt;
    const auto numerator = fraction->first.AsRational(),
               denominator = fraction->second.AsRational();
    const Value inverse = Inverse(fraction->second);
    const Value part = inverse ? Multiply(fraction->first, *inverse) : std::nullopt;
    if (!part) return std::nullopt;
    if (!numerator || !denominator) return Multiply(whole, *part);
    const bool proper = numerator->is_integer() && denominator->is_integer() &&
                        numerator->numerator > 0 && numerator->numerator < denominator->numerator;
    return proper ? Add(whole, *part) : std::nullopt;
  }

  // The arguments of \frac, among them 12 as 1 and 2.
  std::optional<std::pair<Polynomial, Polynomial>> Fraction() {
    const MathToken* token = Peek();
    if (token != nullptr && token->kind == Kind::kNumber) {
      if (!token->whole || token->text.size() > 2) return std::nullopt;
      if (token->text.size() == 2) {
        ++at_;
        return std::pair(Polynomial::Constant({token->text[0] - '0', 1}),
                         Polynomial::Constant({token->text[1] - '0', 1}));
      }
    }
    Value numerator = Argument();
    token = Peek();
    if (token != nullptr && token->kind == Kind::kNumber && token->text.size() > 1) {
      return std::nullopt;
    }
    Value denominator = numerator ? Argument() : std::nullopt;
    if (!denominator) return std::nullopt;
    return std::pair(*std::move(numerator), *std::move(denominator));
  }

  // A letter, with its subscript.
  Value Name() {
    std::string name = tokens_[at_++].text;
    return Subscripted(std::move(name));
  }

  Value Subscripted(std::string name) {
    if (Take("_")) {
      const Value index = Argument();
      if (!index) return std::nullopt;
      absl::StrAppend(&name, "_(", index->Text(), ")");
    }
    return NamedAtom(name);
  }

  // ab^2 is a times b^2.
  Value Word() {
    const MathToken& token = tokens_[at_];
    if (IsFunctionName(token.text)) {
      ++at_;
      return Function("\\" + token.text);
    }
    if (token.in_text || token.text.size() > kLongestProductOfNames ||
        !std::all_of(token.text.begin(), token.text.end(), absl::ascii_isalpha)) {
      return std::nullopt;
    }
    ++at_;
    Value product = Polynomial::Constant({1, 1});
    for (size_t i = 0; product && i < token.text.size(); ++i) {
      const bool is_last = i + 1 == token.text.size();
      Value factor = is_last ? Subscripted(token.text.substr(i))
                             : Value(Polynomial::Atom(token.text.substr(i, 1)));
      if (factor && is_last && Take("^")) factor = Raised(*factor);
      product = factor ? Multiply(*product, *factor) : std::nullopt;
    }
    return product;
  }

  Value Command() {
    const std::string& text = tokens_[at_++].text;
    if (text == "\\frac") {
      const auto fraction = Fraction();
      const Value inverse = fraction ? Inverse(fraction->second) : std::nullopt;
      return inverse ? Multiply(fraction->first, *inverse) : std::nullopt;
    }
    if (text == "\\sqrt" || text == "\\unicoderoot") return Root();
    if (text == "\\binom") return Binomial();
    if (IsOneOf(kNames, text)) return Subscripted(text);
    if (IsFunctionName(std::string_view(text).substr(1))) return Function(text);
    return std::nullopt;
  }

  Value Root() {
    Rational exponent = {1, 2};
    if (Take("[")) {
      const Value degree = Enclosed("]");
      const auto number = degree ? degree->AsRational() : std::nullopt;
      if (!number || !number->is_integer() || number->numerator < 2) return std::nullopt;
      exponent = {1, number->numerator};
    }
    const Value base = Argument();
    return base ? Power(*base, exponent) : std::nullopt;
  }

  Value Binomial() {
    const Value n = Argument(), k = n ? Argument() : std::nullopt;
    if (!n || !k) return std::nullopt;
    const auto top = n->AsRational(), below = k->AsRational();
    if (!top || !below || !top->is_integer() || !below->is_integer()) return std::nullopt;
    if (below->numerator < 0 || below->numerator > top->numerator || top->numerator > 100) {
      return std::nullopt;
    }
    std::optional<Rational> value = Rational{1, 1};
    for (__int128 i = 0; value && i < below->numerator; ++i) {
      value = Multiply(*value, {top->numerator - i, 1});
      if (value) value = Multiply(*value, *MakeRational(1, i + 1));
    }
    return value ? Value(Polynomial::Constant(*value)) : std::nullopt;
  }

  // \sin x, \sin^2(x), \log_2 8. The argument without brackets is a product.
  Value Function(std::string name) {
    Rational exponent = {1, 1};
    if (Take("_")) {
      const Value index = Argument();
      if (!index) return std::nullopt;
      absl::StrAppend(&name, "_(", index->Text(), ")");
    }
    if (Take("^")) {
      const Value power = Exponent();
      const auto number = power ? power->AsRational() : std::nullopt;
      if (!number) return std::nullopt;
      exponent = *number;
      if (exponent == Rational{-1, 1} && !name.starts_with("\\l")) {
        name.insert(1, "arc");
        exponent = {1, 1};
      }
    }
    Value argument;
    if (Next("(") || Next("{")) {
      argument = Argument();
    } else {
      argument = Factor();
      while (argument && Peek() != nullptr &&
             (Peek()->kind == Kind::kName || Peek()->kind == Kind::kNumber || Next("\\pi"))) {
        const Value next = Factor();
        argument = next ? Multiply(*argument, *next) : std::nullopt;
      }
    }
    const Value atom =
        argument ? NamedAtom(absl::StrCat(name, "(", argument->Text(), ")")) : std::nullopt;
    return atom ? Power(*atom, exponent) : std::nullopt;
  }

  std::span<const MathToken> tokens_;
  int sign_;
  size_t at_ = 0;
  int depth_ = 0;
  int num_bars_ = 0;  // |...| that are open
};

}  // namespace

std::optional<Polynomial> ReadExpression(std::span<const MathToken> tokens, int sign) {
  if (tokens.empty()) return std::nullopt;
  return ExpressionParser(tokens, sign).Whole();
}

bool IsFunctionName(std::string_view word) { return IsOneOf(kFunctions, word); }

}  // namespace deduce
