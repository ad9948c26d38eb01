// Mathematical answers compared by rule.
#pragma once

#include <string>
#include <string_view>

#include "rl/reward/verifier.h"

namespace deduce {

// Does `completion`, where FindAnswer finds an answer in it, say the value of `gold`? Values are
// compared exactly where both are understood (docs/rewards.md has the table), else letter by letter
// after white space and typesetting are removed. Unscorable if `gold` has neither letters nor
// digits.
Grade GradeMathAnswer(std::string_view gold, std::string_view completion);

// The verifier "math".
class MathVerifier : public Verifier {
 public:
  std::string name() const override { return "math"; }
  Grade Verify(const Problem& problem, const std::string& completion) const override {
    return GradeMathAnswer(problem.answer, completion);
  }
};

}  // namespace deduce
