// The accuracy verifier: is the final answer the gold answer?
#pragma once

#include <map>
#include <memory>
#include <string>

#include "rl/reward/verifier.h"

namespace deduce {

// Grades by the rule that problem.verifier names, which must be among `rules`: data with other
// names is refused when it is read. No answer is wrong; a gold answer that cannot be read is
// unscorable whatever the completion says.
class AccuracyVerifier : public Verifier {
 public:
  explicit AccuracyVerifier(std::map<std::string, std::shared_ptr<const Verifier>> rules);
  std::string name() const override { return "accuracy"; }
  Grade Verify(const Problem& problem, const std::string& completion) const override;

 private:
  std::map<std::string, std::shared_ptr<const Verifier>> rules_;
};

}  // namespace deduce
