// Cutting a text at what a pattern matches: the "behavior" of a tokenizer file's Split.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "data/text/tokenizer/regex.h"

namespace deduce {

enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// By its name in files: "Isolated".
std::optional<SplitBehavior> SplitBehaviorNamed(std::string_view name);

// Appends the pieces of `text`, which `stretches` cover in order. Empty pieces are left out.
void AppendPieces(std::string_view text, const std::vector<RegexStretch>& stretches,
                  SplitBehavior behavior, std::vector<std::string_view>& pieces);

}  // namespace deduce
