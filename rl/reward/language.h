// The language verifier: is the reasoning in the problem's own script?
#pragma once

#include <string>

#include "rl/reward/verifier.h"

namespace deduce {

// Score: of the numerals in the think part (ASCII digits and Chinese numerals), the share in the
// problem's language; 0 without any (R1's language consistency reward, words replaced by numerals).
// The think part begins after the first <think>, or at the start, and ends at the next </think> or
// <answer>, or at the end. Right means a score of 1. Unscorable if the problem names no language of
// these.
class LanguageVerifier : public Verifier {
 public:
  std::string name() const override { return "language"; }
  Grade Verify(const Problem& problem, const std::string& completion) const override;
};

}  // namespace deduce
