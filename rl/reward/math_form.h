// The value of a written answer, in a form that can be compared.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace deduce {

// `value` says all about numbers, expressions, words, pairs, intervals, unions, matrices, ratios,
// equations and inequalities; lists and sets have `items` instead.
struct MathForm {
  std::string value;
  std::vector<MathForm> items;
  std::string name;        // x of "x = 5"
  std::string unit;        // a number's; empty if it has none or one that is not known
  bool is_number = false;  // a rational number, written as such
};

// Nothing if the whole text is not understood.
std::optional<MathForm> ReadMathForm(std::string_view text);

// Whether an answer has the value of the gold one. Order does not matter in lists and sets, unless
// their items have names. A unit or a name that only one has does not matter.
bool IsSameForm(const MathForm& gold, const MathForm& answer);

}  // namespace deduce
