// Expressions of numbers, names, roots and functions.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "rl/reward/math_tokens.h"
#include "rl/reward/polynomial.h"

namespace deduce {

// The value of tokens that are one expression: + - * / ^ ! % |x|, brackets, \frac, \sqrt, mixed
// numbers, products without a sign between them, functions, greek letters, subscripts. `sign`, 1 or
// -1, is that of \pm. Nothing for anything else, among it what can be read in two ways (1/2x, 1 2).
std::optional<Polynomial> ReadExpression(std::span<const MathToken> tokens, int sign = 1);

// Whether a word of several letters is a function's name ("sin").
bool IsFunctionName(std::string_view word);

}  // namespace deduce
