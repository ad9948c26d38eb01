// A written answer as tokens: numbers, names, words, commands and signs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rl/reward/rational.h"

namespace deduce {

struct MathToken {
  enum class Kind : uint8_t {
    kNumber,   // value
    kName,     // one letter
    kWord,     // several letters
    kCommand,  // LaTeX, with its backslash: "\frac"
    kSign,     // one character; "\{" and "\}" for braces that are meant to be seen, "\\" for rows
  };
  Kind kind = Kind::kSign;
  std::string text;
  Rational value = {};        // a number's
  bool whole = false;         // a number of digits only
  bool space_before = false;  // some white space, or a command that makes it
  bool in_text = false;       // inside \text{...} or the like

  bool Is(std::string_view sign) const { return text == sign && kind != Kind::kNumber; }
};

// Typesetting that changes no value (\left, \displaystyle, dollar signs, markdown, braces of
// \text) is left out; separators of thousands are parts of numbers. Nothing for a text of more than
// 2,000 bytes or 300 tokens, for braces that do not match, for a number that leaves 128 bits and
// for signs of mathematics that are not known.
std::optional<std::vector<MathToken>> ReadMathTokens(std::string_view text);

}  // namespace deduce
