// Words and signs behind a number: units, nouns, and words that change the number.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "rl/reward/math_tokens.h"

namespace deduce {

// The unit, percent sign or word of size behind a number.
struct MathUnit {
  size_t begin = 0;          // its first token
  Rational factor = {1, 1};  // "percent", "million"
  std::string name;          // one for all spellings of a unit ("cm^2"); empty if it is not known
};

// The unit at the end of `tokens`: known units, words in \text{...} and, behind a space, words that
// look like nouns (which are no units of symbols: `only_known`). Nothing if there is none.
std::optional<MathUnit> FindUnit(std::span<const MathToken> tokens, bool only_known);

// Words that compute ("times", "squared", "half", "million") or leave the answer open ("or",
// "not"): a number in their sentence is not the answer.
bool ChangesANumber(std::string_view word);

// Whether a word of a quantity's name makes it another quantity, so that the value of "twice x" is
// not that of x: `next` is the word behind it ("square of").
bool ScalesAQuantity(std::string_view word, std::string_view next);

// "percent", "million", ...
bool IsWordOfSize(std::string_view word);

}  // namespace deduce
