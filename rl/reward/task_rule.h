// The grader of a task as a verifier.
#pragma once

#include <string>

#include "data/tasks/extract_answer.h"
#include "data/tasks/task.h"
#include "rl/reward/verifier.h"

namespace deduce {

// Score 1 if `task.grade`, which must not be null, calls the completion right, else 0. `task` must
// outlive it.
class TaskRule : public Verifier {
 public:
  explicit TaskRule(const TaskKind& task) : task_(task) {}
  std::string name() const override { return task_.name; }
  Grade Verify(const Problem& problem, const std::string& completion) const override {
    const Verdict verdict = task_.grade(problem, completion);
    return AllOrNothing(verdict, verdict == Verdict::kRight        ? ""
                                 : verdict == Verdict::kUnscorable ? kUnreadableGold
                                 : ExtractAnswer(completion)       ? kNotEqual
                                                                   : kNoAnswer);
  }

 private:
  const TaskKind& task_;
};

}  // namespace deduce
