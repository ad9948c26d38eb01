#include "rl/reward/language.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "data/tasks/numerals.h"

namespace deduce {
namespace {

std::string_view ThinkPart(std::string_view completion) {
  constexpr std::string_view kOpen = "<think>";
  if (const size_t open = completion.find(kOpen); open != std::string_view::npos) {
    completion.remove_prefix(open + kOpen.size());
  }
  return completion.substr(0, std::min(completion.find("</think>"), completion.find("<answer>")));
}

}  // namespace

Grade LanguageVerifier::Verify(const Problem& problem, const std::string& completion) const {
  const std::optional<Script> script = ScriptOfLanguage(problem.language);
  if (!script) return {Verdict::kUnscorable, 0};
  const NumeralCount count = CountNumerals(ThinkPart(completion));
  const int64_t total = count.ascii + count.chinese;
  const int64_t right = *script == Script::kAscii ? count.ascii : count.chinese;
  const double score = total == 0 ? 0 : static_cast<double>(right) / static_cast<double>(total);
  return {score == 1 ? Verdict::kRight : Verdict::kWrong, score};
}

}  // namespace deduce
