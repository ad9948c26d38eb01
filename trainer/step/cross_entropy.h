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

  // tokens, next_tokens: sums over all micro-batches of a step, of their weights and of those of
  // OneTokenAhead.
  Counts MakeCounts(double tokens, double next_tokens) const;

 private:
  double next_token_weight_;
};

}  // namespace deduce
