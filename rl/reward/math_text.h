// The spellings of mathematics outside ASCII.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace deduce {

// Whether a character is a sign of mathematics: what holds one that AsciiMath does not know is no
// plain prose and no number with a unit.
bool IsMathSign(uint32_t code);

// `text` with signs of mathematics outside ASCII as LaTeX or ASCII writes them: U+2212 and dashes
// as "-", U+221A as "\unicoderoot ", superscripts as "^{2}", fractions as "\frac{1}{2}", greek
// letters by name. What it does not know stays. Linear.
std::string AsciiMath(std::string_view text);

}  // namespace deduce
