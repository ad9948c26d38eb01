#include "rl/reward/accuracy.h"

#include <utility>

#include "c10/util/Exception.h"

namespace deduce {

AccuracyVerifier::AccuracyVerifier(std::map<std::string, std::shared_ptr<const Verifier>> rules)
    : rules_(std::move(rules)) {}

Grade AccuracyVerifier::Verify(const Problem& problem, const std::string& completion) const {
  const auto rule = rules_.find(problem.verifier);
  TORCH_CHECK(rule != rules_.end(), "a problem with the unknown verifier \"", problem.verifier,
              "\"");
  return rule->second->Verify(problem, completion);
}

}  // namespace deduce
