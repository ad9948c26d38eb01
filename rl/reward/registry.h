// The verifiers by their names.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rl/reward/verifier.h"

namespace deduce {

// A name that `reward { verifier }` may give.
struct VerifierKind {
  std::string name;
  std::string help;  // one line
  // Compares an answer with the gold one: what a problem's own `verifier` and `deduce score` name.
  bool compares_answers = false;
  std::function<std::unique_ptr<Verifier>()> make;
};

// Every verifier, the rules of tasks among them, in the order in which help and errors list them.
const std::vector<VerifierKind>& VerifierKinds();

// The names of those that compare answers.
std::vector<std::string> AnswerVerifiers();

// The verifier called `name`. Error: InvalidArgument (`where` is the field's path).
absl::StatusOr<std::unique_ptr<Verifier>> MakeVerifier(const std::string& name,
                                                       const std::string& where = "verifier");

// Whether `verifier`, one of AnswerVerifiers(), understands `gold`; false if only the same letters
// are right. InvalidArgument (`found X, expected Y`) if it is not even right as its own answer.
absl::StatusOr<bool> IsGoldUnderstood(const std::string& verifier, const std::string& gold);

}  // namespace deduce
