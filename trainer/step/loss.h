// What one training step minimises: a typed pair (sum, count). A loss function gives each
// micro-batch's part of the sum; the step divides once, by the count of the whole step, so any
// split into micro-batches and ranks has the same gradient.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "data/records/batch.h"
#include "kernels/token_log_prob.h"

namespace deduce {

struct LossTerms {
  at::Tensor sum;  // fp32 scalar, differentiable: this micro-batch's part of the step's loss sum,
                   // weights included
  // Plain numbers to be added over the step's micro-batches in their global order. Every loss has
  // "tokens", the number of tokens with a weight, which the other entries' means are taken over.
  // Same names in the same order for every micro-batch.
  std::vector<std::pair<std::string, double>> metric_sums;
};

class LossFn {
 public:
  virtual ~LossFn() = default;

  // log_probs: of targets_x at temperature(), one a token of the batch. An empty batch gives sum 0.
  virtual LossTerms operator()(const PackedBatch& batch, const TokenLogProbs& log_probs) const = 0;

  // Temperature at which the log-probabilities are wanted: that of the rollouts in reinforcement
  // learning.
  virtual double temperature() const { return 1; }

  // Whether the multi-token prediction module is trained too (its own cross entropy is added by the
  // step).
  virtual bool uses_mtp() const { return false; }
};

// Sum of -weight * log-probability. Metrics: tokens, entropy.
class CrossEntropyLoss : public LossFn {
 public:
  explicit CrossEntropyLoss(bool uses_mtp = false) : uses_mtp_(uses_mtp) {}
  LossTerms operator()(const PackedBatch& batch, const TokenLogProbs& log_probs) const override;
  bool uses_mtp() const override { return uses_mtp_; }

 private:
  bool uses_mtp_;
};

// The count of cross entropy: the sum of weights over all micro-batches of the step, in double and
// in their order. Partial counts of ranks may be added (exact for weights 0 and 1). 0 when nothing
// has a weight.
double CrossEntropyCount(const std::vector<PackedBatch>& micro_batches);

}  // namespace deduce
