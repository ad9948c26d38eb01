#include "rl/reward/accuracy.h"

#include "data/tasks/numerals.h"
#include "rl/reward/math_answer.h"

namespace deduce {
namespace {

// By the problem's own rule. An empty answer is only ever wrong or unscorable.
Verdict Compare(const Problem& problem, std::string_view completion) {
  const std::optional<std::string_view> tagged = ExtractAnswer(completion);
  if (problem.verifier == "math") {
    return GradeMathAnswer(problem.answer, tagged.value_or(completion));
  }
  if (problem.verifier != "chain_sum") return Verdict::kUnscorable;
  const std::optional<std::string> gold = ParseNumeral(problem.answer);
  if (!gold) return Verdict::kUnscorable;
  return ParseNumeral(tagged.value_or("")) == gold ? Verdict::kRight : Verdict::kWrong;
}

}  // namespace

std::optional<std::string_view> ExtractAnswer(std::string_view completion) {
  constexpr std::string_view kOpen = "<answer>";
  const size_t close = completion.rfind("</answer>");
  if (close == std::string_view::npos) return std::nullopt;
  const std::string_view before = completion.substr(0, close);
  const size_t open = before.rfind(kOpen);
  if (open == std::string_view::npos) return std::nullopt;
  return before.substr(open + kOpen.size());
}

Grade AccuracyVerifier::Verify(const Problem& problem, const std::string& completion) const {
  const Verdict verdict = Compare(problem, completion);
  return {verdict, verdict == Verdict::kRight ? 1.0 : 0.0};
}

}  // namespace deduce
