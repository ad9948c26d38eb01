// How long the reinforcement learning of a run takes: rollouts, reference, updates.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/forecast/forecast.h"

namespace deduce {

// One GRPO step of a stage, in seconds.
struct GrpoStageForecast {
  std::string name;
  double steps = 0;
  double updates = 0;            // in all steps
  double full_batch_decode = 0;  // all completions at the rate of full batches
  double longest_decode = 0;     // the longest one at the rate of a single sequence
  double reference = 0;          // forwards of all tokens
  double training = 0;           // all updates of the step
  double switches = 0;           // between the phases
  double rollout() const;        // the longer of both decodes: they go on at once
  double step() const { return rollout() + reference + training + switches; }
};

struct JobForecast {
  std::vector<GrpoStageForecast> stages;  // those of kind grpo
  double hours = 0;
  double rank_hours = 0;
  double dollars = 0;  // 0 without a price
};

// No stages unless plan.rollout says how each decodes. Completions have the stage's mean length,
// prompts are not counted. InvalidArgument as TimeUpdate's.
absl::StatusOr<JobForecast> MakeJobForecast(const Forecast& plan);

}  // namespace deduce
