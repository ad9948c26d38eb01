// Mathematical answers compared by rule: numbers exactly, anything else as normalised text.
#pragma once

#include <string>
#include <string_view>

#include "rl/reward/verifier.h"

namespace deduce {

// Is `answer` (free text; its answer is the last \boxed{...}, else the last formula between dollar
// signs or \(...\), else what follows "answer is", else the text itself or its last number; of
// `x = 2 + 3 = 5`, 5) equal to `gold`? Integers, decimals, fractions, mixed numbers, thousands
// separators, percent and exponents are compared as exact rationals; anything else letter by letter
// after white space, dollar signs and typesetting commands are removed. Unscorable if `gold` is
// empty.
Verdict GradeMathAnswer(std::string_view gold, std::string_view answer);

// The verifier "math": GradeMathAnswer of the completion's last <answer>...</answer>, or of the
// whole completion without such tags (the format verifier rewards them).
class MathVerifier : public Verifier {
 public:
  std::string name() const override { return "math"; }
  Grade Verify(const Problem& problem, const std::string& completion) const override;
};

}  // namespace deduce
