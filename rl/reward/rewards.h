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
};

class RewardSet {
 public:
  // Errors: InvalidArgument for no verifier, an unknown one or one named twice; `where` is the path
  // of the repeated field.
  static absl::StatusOr<RewardSet> Create(
      const google::protobuf::RepeatedPtrField<RewardConfig>& configs,
      const std::string& where = "reward");

  // Pure and thread-safe.
  Scored Score(const Problem& problem, const std::string& completion) const;

 private:
  struct Weighted {
    std::shared_ptr<const Verifier> verifier;
    double weight;
  };
  std::vector<Weighted> verifiers_;
  std::shared_ptr<const Verifier> accuracy_;
};

}  // namespace deduce
