// Where a text says its mathematical answer.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rl/reward/math_form.h"

namespace deduce {

struct FoundAnswer {
  std::string text;              // as it is written
  std::optional<MathForm> form;  // nothing if it is not understood
};

// The answer of a completion, or of any text that says one: the last of
//   <answer>...</answer>, \boxed{...} and \fbox{...}, what follows "####" or "answer is",
// each read again for an answer inside; without those, the last formula ($...$, \(...\), \[...\])
// or amount of money, or the last sentence if it comes after them. Answers side by side ("$2$ and
// $3$") are one list. What stands before </think> counts only where nothing follows. Nothing if
// none of these says an answer. Linear.
std::optional<FoundAnswer> FindAnswer(std::string_view text);

// The same of a gold answer, which is not searched for in prose: what follows "####", else the
// boxes, else the whole text.
FoundAnswer ReadGoldAnswer(std::string_view gold);

}  // namespace deduce
