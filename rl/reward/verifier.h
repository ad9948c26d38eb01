// Verifiers: rules that grade a completion of a problem.
#pragma once

#include <string>

#include "data/tasks/task.h"

namespace deduce {

struct Grade {
  Verdict verdict = Verdict::kWrong;
  double score = 0;  // in [0, 1]; 0 if unscorable
  // Why: a constant such as kNoAnswer; "" where the verdict says all.
  const char* reason = "";
};

// Reasons of verdicts on answers.
inline constexpr char kNoAnswer[] = "no_answer";            // the completion says none
inline constexpr char kNotUnderstood[] = "not_understood";  // it does, in a way that cannot be read
inline constexpr char kNotEqual[] = "not_equal";
inline constexpr char kUnreadableGold[] = "unreadable_gold";
inline constexpr char kByLetters[] = "by_letters";  // right, and equal to a gold not understood

// Score 1 if right, else 0.
inline Grade AllOrNothing(Verdict verdict, const char* reason = "") {
  return {verdict, verdict == Verdict::kRight ? 1.0 : 0.0, reason};
}

// Pure and thread-safe.
class Verifier {
 public:
  virtual ~Verifier() = default;
  virtual std::string name() const = 0;
  // The prompt of the problem is the text that the completion goes on from.
  virtual Grade Verify(const Problem& problem, const std::string& completion) const = 0;
};

}  // namespace deduce
