// Verifiers: rules that grade a completion of a problem.
#pragma once

#include <string>

#include "data/tasks/task.h"

namespace deduce {

struct Grade {
  Verdict verdict = Verdict::kWrong;
  double score = 0;  // in [0, 1]; 0 if unscorable
};

// Score 1 if right, else 0.
inline Grade AllOrNothing(Verdict verdict) {
  return {verdict, verdict == Verdict::kRight ? 1.0 : 0.0};
}

// Pure and thread-safe.
class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual std::string name() const = 0;
  virtual Grade Verify(const Problem& problem, const std::string& completion) const = 0;
};

}  // namespace deduce
