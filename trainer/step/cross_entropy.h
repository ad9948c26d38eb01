// The objective of pre-training and fine-tuning.
#pragma once

#include <vector>

#include "trainer/step/objective.h"

namespace deduce {

// Components: "loss", the sum of -weight * log-probability over "tokens", the sum of weights; and
// "mtp_loss", the same of the multi-token prediction module over "next_tokens" (DeepSeek-V3 report,
// equations 24 and 25). Metrics: tokens, entropy.
class CrossEntropy : public Objective {
 public:
  // next_token_weight: lambda of the module's loss; 0: it rests.
  explicit CrossEntropy(double next_token_weight = 0) : next_token_weight_(next_token_weight) {}

  std::vector<Head> heads() const override;
  LossTerms operator()(const LossContext& context) const override;

  // The sums of weights over all micro-batches of a step, in double and in their order. Partial
  // counts of ranks may be added (exact for weights 0 and 1). "tokens" is 0 when nothing has a
  // weight.
  Counts CountsOf(const std::vector<PackedBatch>& micro_batches) const;

 private:
  double next_token_weight_;
};

}  // namespace deduce
