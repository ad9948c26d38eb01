#include "rl/reward/rewards.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "rl/reward/registry.h"

namespace deduce {

RewardSet::RewardSet(std::vector<Weighted> verifiers, std::shared_ptr<const Verifier> accuracy)
    : verifiers_(std::move(verifiers)), accuracy_(std::move(accuracy)) {}

absl::StatusOr<RewardSet> RewardSet::Create(
    const google::protobuf::RepeatedPtrField<RewardConfig>& configs, const std::string& where) {
  if (configs.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": found none, expected at least one"));
  }
  std::vector<Weighted> verifiers;
  std::shared_ptr<const Verifier> accuracy;
  for (int i = 0; i < configs.size(); ++i) {
    const RewardConfig& config = configs[i];
    const std::string path = absl::StrCat(where, "[", i, "]");
    ASSIGN_OR_RETURN(std::shared_ptr<const Verifier> verifier,
                     MakeVerifier(config.verifier(), path + ".verifier"));
    for (const Weighted& other : verifiers) {
      if (other.verifier->name() == verifier->name()) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ".verifier: found \"", config.verifier(), "\" again, expected each once"));
      }
    }
    if (verifier->name() == "accuracy") accuracy = verifier;
    verifiers.push_back({std::move(verifier), config.weight()});
  }
  if (accuracy == nullptr) {
    ASSIGN_OR_RETURN(accuracy, MakeVerifier("accuracy"));
  }
  return RewardSet(std::move(verifiers), std::move(accuracy));
}

Scored RewardSet::Score(const Problem& problem, const std::string& completion) const {
  Scored scored;
  const Grade accuracy = accuracy_->Verify(problem, completion);
  scored.accuracy = accuracy.verdict;
  scored.reason = accuracy.reason;
  for (const Weighted& weighted : verifiers_) {
    const bool graded =
        weighted.verifier == accuracy_ || weighted.verifier->name() == problem.verifier;
    const Grade grade = graded ? accuracy : weighted.verifier->Verify(problem, completion);
    if (grade.verdict == Verdict::kUnscorable) {
      scored.unscorable = true;
      continue;
    }
    scored.by_verifier[weighted.verifier->name()] = grade.score;
    scored.total += weighted.weight * grade.score;
  }
  return scored;
}

}  // namespace deduce
