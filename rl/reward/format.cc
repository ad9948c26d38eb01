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

bool KeepsFormat(std::string_view text) {
  for (const std::string_view tag : {"<think>", "</think>", "<answer>", "</answer>"}) {
    if (!IsOnce(text, tag)) return false;
  }
  return SkipPast(text, "<think>", false) && SkipPast(text, "</think>", true) &&
         SkipPast(text, "<answer>", false) && SkipPast(text, "</answer>", true) &&
         StripSpace(text).empty();
}

}  // namespace

Grade FormatVerifier::Verify(const Problem&, const std::string& completion) const {
  return AllOrNothing(KeepsFormat(completion) ? Verdict::kRight : Verdict::kWrong);
}

}  // namespace deduce
