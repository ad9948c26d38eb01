// Answers in running text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rl/reward/math_form.h"

namespace deduce {

// `text` without the marks of bold, italic and code, and of headings up to the third level. Linear.
std::string WithoutMarkdown(std::string_view text);

// The text behind the last line feed and the last full stop, question or exclamation mark that
// does not end the text; without its own mark.
std::string_view LastSentence(std::string_view text);

// The answer that a sentence gives: what it is as a whole; of "40 + 2 = 42 apples" the right side
// of the last =, if the left one is a name or holds no variable; of words with one number, that
// number. Nothing if other numbers, signs that compute, variables or words such as "or" and "not"
// leave the answer open.
std::optional<MathForm> ReadSentence(std::string_view sentence);

// Whether the left side of an equals sign in running text is a name or a calculation: of "x = 8"
// and "4 + 4 = 8", not of "2x = 8" and "twice x = 8".
bool IsNameOrCalculation(std::string_view left);

}  // namespace deduce
