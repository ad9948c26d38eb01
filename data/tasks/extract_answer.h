// Where a completion says its answer.
#pragma once

#include <optional>
#include <string_view>

namespace deduce {

// The text inside the last complete <answer>...</answer>; nothing if there is none.
std::optional<std::string_view> ExtractAnswer(std::string_view completion);

}  // namespace deduce
