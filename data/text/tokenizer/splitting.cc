#include "data/text/tokenizer/splitting.h"

#include <utility>

namespace deduce {
namespace {

// Whether the stretch `now` joins the piece that ends before it.
bool Joins(SplitBehavior behavior, bool before, bool now) {
  switch (behavior) {
    case SplitBehavior::kContiguous:
      return before == now;
    case SplitBehavior::kMergedWithPrevious:
      return now && !before;
    case SplitBehavior::kMergedWithNext:
      return before && !now;
    default:
      return false;
  }
}

}  // namespace

std::optional<SplitBehavior> SplitBehaviorNamed(std::string_view name) {
  static constexpr std::pair<std::string_view, SplitBehavior> kNames[] = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  for (const auto& [known, behavior] : kNames) {
    if (known == name) return behavior;
  }
  return std::nullopt;
}

void AppendPieces(std::string_view text, const std::vector<RegexStretch>& stretches,
                  SplitBehavior behavior, std::vector<std::string_view>& pieces) {
  for (size_t i = 0; i < stretches.size();) {
    size_t next = i + 1;
    while (next < stretches.size() &&
           Joins(behavior, stretches[next - 1].matched, stretches[next].matched)) {
      ++next;
    }
    const size_t begin = stretches[i].begin, end = stretches[next - 1].end;
    const bool removed = behavior == SplitBehavior::kRemoved && stretches[i].matched;
    if (!removed && end > begin) pieces.push_back(text.substr(begin, end - begin));
    i = next;
  }
}

}  // namespace deduce
