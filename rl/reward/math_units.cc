#include "rl/reward/math_units.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rl/reward/math_expression.h"

namespace deduce {
namespace {

using Kind = MathToken::Kind;

// Name and spellings, in singular; a letter alone counts in \text{...} only.
constexpr std::pair<std::string_view, std::string_view> kUnits[] = {
    {"m", "m"},           {"meter", "m"},       {"metre", "m"},       {"cm", "cm"},
    {"centimeter", "cm"}, {"centimetre", "cm"}, {"mm", "mm"},         {"millimeter", "mm"},
    {"km", "km"},         {"kilometer", "km"},  {"kilometre", "km"},  {"in", "in"},
    {"inch", "in"},       {"inche", "in"},      {"ft", "ft"},         {"foot", "ft"},
    {"feet", "ft"},       {"yd", "yd"},         {"yard", "yd"},       {"mi", "mi"},
    {"mile", "mi"},       {"g", "g"},           {"gram", "g"},        {"kg", "kg"},
    {"kilogram", "kg"},   {"mg", "mg"},         {"lb", "lb"},         {"oz", "oz"},
    {"ounce", "oz"},      {"s", "s"},           {"sec", "s"},         {"second", "s"},
    {"min", "min"},       {"minute", "min"},    {"h", "h"},           {"hr", "h"},
    {"hour", "h"},        {"day", "day"},       {"week", "week"},     {"month", "month"},
    {"year", "year"},     {"l", "l"},           {"liter", "l"},       {"litre", "l"},
    {"ml", "ml"},         {"milliliter", "ml"}, {"gallon", "gal"},    {"gal", "gal"},
    {"degree", "degree"}, {"deg", "degree"},    {"radian", "radian"}, {"rad", "radian"},
    {"dollar", "dollar"}, {"usd", "dollar"},    {"cent", "cent"},     {"mph", "mi/h"},
    {"kmh", "km/h"}};

constexpr std::pair<std::string_view, Rational> kFactors[] = {{"percent", {1, 100}},
                                                              {"pct", {1, 100}},
                                                              {"percents", {1, 100}},
                                                              {"hundred", {100, 1}},
                                                              {"thousand", {1000, 1}},
                                                              {"million", {1000000, 1}},
                                                              {"billion", {1000000000, 1}},
                                                              {"trillion", {1000000000000, 1}},
                                                              {"dozen", {12, 1}}};

constexpr std::string_view kOperators[] = {
    "plus",        "minus",     "divided",   "squared",   "cubed",      "factorial",
    "half",        "halves",    "third",     "thirds",    "quarter",    "quarters",
    "fourths",     "fifth",     "fifths",    "sixths",    "sevenths",   "eighth",
    "eighths",     "ninths",    "tenth",     "tenths",    "twelfths",   "hundredths",
    "thousandths", "root",      "mod",       "modulo",    "remainder",  "than",
    "least",       "most",      "between",   "base",      "not",        "or",
    "either",      "neither",   "maybe",     "perhaps",   "could",      "might",
    "possibly",    "if",        "except",    "unless",    "isn",        "wrong",
    "infinity",    "power",     "pi",        "twice",     "double",     "triple",
    "multiplied",  "increased", "decreased", "negative",  "roughly",    "approximately",
    "approx",      "almost",    "nearly",    "without",   "excluding",  "never",
    "multiples",   "divisible", "factor",    "factors",   "reciprocal", "opposite",
    "sine",        "cosine",    "tangent",   "logarithm", "difference", "exceeds",
    "exceed",      "below",     "less",      "zero",      "cannot",     "unequal",
    "two",         "three",     "four",      "five",      "six",        "seven",
    "eight",       "nine",      "ten",       "eleven",    "twelve",     "thirteen",
    "fourteen",    "fifteen",   "sixteen",   "seventeen", "eighteen",   "nineteen",
    "twenty",      "thirty",    "forty",     "fifty",     "sixty",      "seventy",
    "eighty",      "ninety",    "sixth",     "greater"};

// The name of a unit in any spelling; empty if it is not known.
std::string_view UnitName(std::string_view word) {
  for (const std::string_view ending : {"", "s", "es"}) {
    if (!word.ends_with(ending)) continue;
    const std::string_view singular = word.substr(0, word.size() - ending.size());
    for (const auto& [spelling, name] : kUnits) {
      if (singular == spelling && (ending.empty() || singular.size() > 1)) return name;
    }
  }
  return "";
}

std::optional<Rational> FactorOf(std::string_view word) {
  for (const auto& [spelling, factor] : kFactors) {
    if (word == spelling) return factor;
  }
  return std::nullopt;
}

bool LooksLikeANoun(std::string_view word) {
  return word.size() >= 4 && word.find_first_of("aeiouy") != word.npos;
}

bool BeginsUnit(std::span<const MathToken> tokens, size_t i, bool only_known) {
  const MathToken& token = tokens[i];
  if (token.Is("\\degree")) return true;
  if (token.Is("^")) {
    return i + 1 < tokens.size() &&
           (tokens[i + 1].Is("\\degree") ||
            (tokens[i + 1].Is("{") && i + 2 < tokens.size() && tokens[i + 2].Is("\\degree")));
  }
  if (token.kind == Kind::kName) return token.in_text && !UnitName(token.text).empty();
  if (token.kind != Kind::kWord) return false;
  const std::string word = absl::AsciiStrToLower(token.text);
  if (IsFunctionName(word)) return false;
  if (token.in_text || !UnitName(word).empty() || FactorOf(word)) return true;
  if (only_known || !token.space_before) return false;
  // "red apples"
  const bool noun_follows = i + 1 < tokens.size() && tokens[i + 1].kind == Kind::kWord &&
                            tokens[i + 1].space_before && LooksLikeANoun(tokens[i + 1].text);
  return noun_follows || LooksLikeANoun(word);
}

// Adds what a word of a unit says; false if it is none.
bool AddWord(const MathToken& token, MathUnit& unit, bool& known) {
  const std::string word = absl::AsciiStrToLower(token.text);
  if (word == "square" || word == "sq" || word == "cubic") {
    unit.name += word == "cubic" ? "3" : "2";
    return true;
  }
  if (word == "per") {
    unit.name += "/";
    return true;
  }
  if (ChangesANumber(word) && !FactorOf(word)) return false;
  if (const auto factor = FactorOf(word)) {
    const auto product = Multiply(unit.factor, *factor);
    if (product) unit.factor = *product;
    return product.has_value();
  }
  // "square cm" is "cm2".
  const std::string_view name = UnitName(word);
  known &= !name.empty();
  const char last = unit.name.empty() ? 0 : unit.name.back();
  if (last == '2' || last == '3') unit.name.pop_back();
  unit.name += name;
  if (last == '2' || last == '3') unit.name += last;
  return true;
}

// Adds a token of a unit; false if it cannot be one.
bool AddToken(std::span<const MathToken> tokens, size_t i, MathUnit& unit, bool& known) {
  const MathToken& token = tokens[i];
  const std::string_view before = i > 0 ? std::string_view(tokens[i - 1].text) : "";
  if (token.kind == Kind::kWord) return AddWord(token, unit, known);
  if (token.kind == Kind::kName && !UnitName(token.text).empty() &&
      (token.in_text || before == "/")) {
    return AddWord(token, unit, known);
  }
  if (token.Is("\\degree")) {
    unit.name += "degree";
    return true;
  }
  if (token.kind == Kind::kNumber) {
    const bool exponent = before == "^" || (before == "{" && i > 1 && tokens[i - 2].Is("^"));
    unit.name += token.text;
    return exponent && (token.text == "2" || token.text == "3");
  }
  if (token.Is("/")) unit.name += "/";
  return token.Is("/") || token.Is("^") || token.Is("{") || token.Is("}") ||
         (token.Is("-") && !token.space_before) || token.Is(".") || token.Is("'");
}

}  // namespace

std::optional<MathUnit> FindUnit(std::span<const MathToken> tokens, bool only_known) {
  int depth = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string_view text = tokens[i].text;
    if (depth == 0 && i > 0 && BeginsUnit(tokens, i, only_known)) {
      MathUnit unit{.begin = i};
      bool known = true;
      for (size_t j = i; j < tokens.size(); ++j) {
        if (!AddToken(tokens, j, unit, known)) return std::nullopt;
      }
      if (!known) unit.name.clear();
      return unit;
    }
    if (text == "(" || text == "{" || text == "[") ++depth;
    if (text == ")" || text == "}" || text == "]") --depth;
  }
  return std::nullopt;
}

bool ScalesAQuantity(std::string_view word, std::string_view next) {
  constexpr std::string_view kScales[] = {"twice", "double",  "triple",   "half",
                                          "third", "quarter", "squared",  "cubed",
                                          "times", "root",    "negative", "minus"};
  if (word == "square" || word == "cube") return next == "of";
  return std::find(std::begin(kScales), std::end(kScales), word) != std::end(kScales);
}

bool IsWordOfSize(std::string_view word) { return FactorOf(word).has_value(); }

bool ChangesANumber(std::string_view word) {
  return IsWordOfSize(word) ||
         std::find(std::begin(kOperators), std::end(kOperators), word) != std::end(kOperators);
}

}  // namespace deduce
