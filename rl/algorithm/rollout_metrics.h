// The numbers a GRPO step reports, under TRL's names (rollouts) and verl's (times).
#pragma once

#include <cstdint>
#include <vector>

#include "data/records/sample.pb.h"
#include "trainer/metrics/metrics.h"
#include "trainer/step/train_step.h"

namespace deduce {

class RolloutMetrics {
 public:
  // Takes the samples of a step, at least one.
  explicit RolloutMetrics(const SampleTable& table);

  // In order. The first update's forward sees the weights that the rollouts saw, so that it must
  // find their log-probabilities again, to the last bit: rollout/logprob_bitwise_equal_ratio is the
  // share of its tokens for which it does (1 if it has none). Later updates come after a change.
  void AddUpdate(const StepStats& stats);
  void AddTimes(double reference_seconds, double train_seconds);

  // The step's updates as one: mean loss and norm, largest load, finite if all were.
  StepStats Combined() const;

  // reward ... timing_s/train; loss, grad_norm and load are in Combined().
  MetricsRecord Record() const;

 private:
  // Over the tokens of the first `num_updates` updates; `otherwise` if they have none.
  double MeanOfTokens(const std::string& name, size_t num_updates, double otherwise) const;

  MetricsRecord rewards_, completions_;
  double rollout_seconds_, reward_seconds_, reference_seconds_ = 0, train_seconds_ = 0;
  double completion_tokens_ = 0;
  std::vector<StepStats> updates_;
};

}  // namespace deduce
