// The reward of a completion: the weighted sum of its verifiers' scores.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/objective.pb.h"
#include "google/protobuf/repeated_field.h"
#include "rl/reward/verifier.h"

namespace deduce {

// A graded completion.
struct Scored {
  double total = 0;  // sum of weight * score
  std::map<std::string, double>
      by_verifier;                     // scores without weights; what is unscorable is left out
  bool unscorable = false;             // some verifier could not tell: the sample must not train
  Verdict accuracy = Verdict::kWrong;  // the accuracy verifier's, configured or not
  std::string reason;                  // why, as Grade has it
};

class RewardSet {
 public:
  struct Weighted {
    std::shared_ptr<const Verifier> verifier;
    double weight = 1;
  };
  // `accuracy` knows the rules of problems; it may be one of `verifiers`.
  RewardSet(std::vector<Weighted> verifiers, std::shared_ptr<const Verifier> accuracy);

  // Errors: InvalidArgument for no verifier, an unknown one or one named twice; `where` is the path
  // of the repeated field.
  static absl::StatusOr<RewardSet> Create(
      const google::protobuf::RepeatedPtrField<RewardConfig>& configs,
      const std::string& where = "reward");

  // Pure and thread-safe. The problem's own rule reads the completion once.
  Scored Score(const Problem& problem, const std::string& completion) const;

 private:
  std::vector<Weighted> verifiers_;
  std::shared_ptr<const Verifier> accuracy_;
};

}  // namespace deduce
