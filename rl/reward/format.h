// The format verifier: does the completion keep to the tags?
#pragma once

#include <string>

#include "rl/reward/verifier.h"

namespace deduce {

// Score 1 if the completion is <think>...</think><answer>...</answer>, each tag once, in this
// order, nothing but white space outside them; else 0 (R1-Zero's format reward). A <think> at the
// end of the prompt, as some chat templates write it, counts as the completion's. Never unscorable.
class FormatVerifier : public Verifier {
 public:
  std::string name() const override { return "format"; }
  Grade Verify(const Problem& problem, const std::string& completion) const override;
};

}  // namespace deduce
