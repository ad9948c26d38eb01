#include "rl/reward/rewards.h"

#include <cmath>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "rl/reward/accuracy.h"
#include "rl/reward/make_verifier.h"

namespace deduce {

absl::StatusOr<RewardSet> RewardSet::Create(
    const google::protobuf::RepeatedPtrField<RewardConfig>& configs, const std::string& where) {
  if (configs.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": found none, expected at least one"));
  }
  RewardSet set;
  for (int i = 0; i < configs.size(); ++i) {
    const RewardConfig& config = configs[i];
    const std::string path = absl::StrCat(where, "[", i, "]");
    ASSIGN_OR_RETURN(std::shared_ptr<const Verifier> verifier,
                     MakeVerifier(config.verifier(), path + ".verifier"));
    for (const Weighted& other : set.verifiers_) {
      if (other.verifier->name() == verifier->name()) {
        return absl::InvalidArgumentError(absl::StrCat(
            path, ".verifier: found \"", config.verifier(), "\" again, expected each once"));
      }
    }
    if (!std::isfinite(config.weight())) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ".weight: found ", config.weight(), ", expected a finite number"));
    }
    set.verifiers_.push_back({std::move(verifier), config.weight()});
  }
  return set;
}

Scored RewardSet::Score(const Problem& problem, const std::string& completion) const {
  Scored scored;
  scored.accuracy = AccuracyVerifier().Verify(problem, completion).verdict;
  for (const Weighted& weighted : verifiers_) {
    const Grade grade = weighted.verifier->Verify(problem, completion);
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
