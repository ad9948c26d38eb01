// The numbers a GRPO step reports, under TRL's names (rollouts) and verl's (times).
#pragma once

#include <cstdint>
#include <vector>

#include "configs/config.pb.h"
#include "rl/samples.h"
#include "trainer/metrics.h"
#include "trainer/step.h"

namespace deduce {

class RolloutMetrics {
 public:
  // From the samples of a step, whole groups in order; times from `set` (its samples may have been
  // moved out).
  RolloutMetrics(const std::vector<Sample>& samples, const GrpoConfig& config,
                 const SampleSet& set);

  // Tokens whose recorded log-probability the trainer's forward reproduces to the last bit, of how
  // many.
  void SetEquality(int64_t equal, int64_t total);

  void AddUpdate(const StepStats& stats);
  void AddTimes(double reference_seconds, double train_seconds);

  // The step's updates as one: mean loss and norm, largest load, finite if all were.
  StepStats Combined() const;

  // reward ... timing_s/train; loss, grad_norm and load are in Combined().
  MetricsRecord Record() const;

 private:
  double MeanOfTokens(const std::string& name) const;

  MetricsRecord rewards_, completions_;
  double equal_ratio_ = 0;
  double rollout_seconds_, reward_seconds_, reference_seconds_ = 0, train_seconds_ = 0;
  double completion_tokens_ = 0;
  std::vector<StepStats> updates_;
};

}  // namespace deduce
