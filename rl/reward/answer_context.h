// The text beside an answer, which may make it another one: a sign, a percent sign, "million", or a
// word such as "not".
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace deduce {

enum class AnswerMark {
  kFormula,  // a formula or an amount of money, which running text may only mention
  kBox,      // a box, which says that it is the answer: relations before it explain it
};

// The sign ("-" or "") that `before`, the text up to an answer, gives it. Nothing if the answer is
// only a part of what is said: "2^$5$", "at least $5$", "$3$ to $5$".
std::optional<std::string> SignBefore(std::string_view before, AnswerMark mark);

// The same of the text behind an answer, which may give it a percent sign or a word of size:
// "$5$ million". Nothing for "$5$^2", "$5$ squared", "$5$ and a half".
std::optional<std::string> SizeAfter(std::string_view after);

// Whether the words of a sentence before a number, in order and without punctuation, say that the
// number is not the answer: "about", "step", "the square of".
bool TakeNumberBack(std::span<const std::string_view> words);

// The parts of a text that none of `separators` is in, none of them empty.
std::vector<std::string_view> SplitAtAny(std::string_view text, std::string_view separators);

}  // namespace deduce
