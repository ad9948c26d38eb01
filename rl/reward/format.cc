#include "rl/reward/format.h"

#include <string_view>

#include "data/text/utf8.h"

namespace deduce {
namespace {

// Moves `text` past the first `tag`; false if there is none or something but white space (allowed:
// anything) stands before.
bool SkipPast(std::string_view& text, std::string_view tag, bool anything_before) {
  const size_t at = text.find(tag);
  if (at == std::string_view::npos) return false;
  if (!anything_before && !StripSpace(text.substr(0, at)).empty()) return false;
  text.remove_prefix(at + tag.size());
  return true;
}

bool IsOnce(std::string_view text, std::string_view tag) {
  return text.find(tag) == text.rfind(tag);
}

// `opened`: the prompt ends with <think>.
bool KeepsFormat(std::string_view text, bool opened) {
  if (opened && text.find("<think>") != std::string_view::npos) return false;
  for (const std::string_view tag : {"<think>", "</think>", "<answer>", "</answer>"}) {
    if (!IsOnce(text, tag)) return false;
  }
  return (opened || SkipPast(text, "<think>", false)) && SkipPast(text, "</think>", true) &&
         SkipPast(text, "<answer>", false) && SkipPast(text, "</answer>", true) &&
         StripSpace(text).empty();
}

}  // namespace

Grade FormatVerifier::Verify(const Problem& problem, const std::string& completion) const {
  const bool opened = StripSpace(problem.prompt).ends_with("<think>");
  return AllOrNothing(KeepsFormat(completion, opened) ? Verdict::kRight : Verdict::kWrong);
}

}  // namespace deduce
