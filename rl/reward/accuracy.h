// The accuracy verifier: is the final answer the gold answer?
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rl/reward/verifier.h"

namespace deduce {

// Compares the last <answer>...</answer> of the completion with the gold answer by the rule
// problem.verifier names: "chain_sum" (numbers, in either script) or "math" (GradeMathAnswer, which
// looks at the whole completion if it has no such tags; that they are there is the format
// verifier's to reward). Score 1 if right, else 0. No answer is wrong; a gold answer that cannot be
// read, or an unknown rule, is unscorable whatever the completion says.
class AccuracyVerifier : public Verifier {
 public:
  std::string name() const override { return "accuracy"; }
  Grade Verify(const Problem& problem, const std::string& completion) const override;
};

// What stands in the last complete <answer>...</answer>.
std::optional<std::string_view> ExtractAnswer(std::string_view completion);

}  // namespace deduce
