// Verifiers: rules that grade a completion of a problem.
#pragma once

#include <string>

#include "data/tasks/task.h"

namespace deduce {

// kUnscorable: the rule cannot tell, for a fault of the data (a gold answer it cannot read). Never
// a reason to reward or punish.
enum class Verdict { kRight, kWrong, kUnscorable };

struct Grade {
  Verdict verdict = Verdict::kWrong;
  double score = 0;  // in [0, 1]; 0 if unscorable
};

// Pure and thread-safe.
class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual std::string name() const = 0;
  virtual Grade Verify(const Problem& problem, const std::string& completion) const = 0;
};

}  // namespace deduce
