// Time of a schedule: an event simulation of its ranks under a cost model.
#pragma once

#include <vector>

#include "parallel/schedule/schedule.h"

namespace deduce {

// Seconds, or any unit. Of one micro-batch through one chunk.
struct ScheduleCosts {
  double forward = 1;
  double backward = 2;  // input and weight gradient at once
  double input_gradient = 1;
  double weight_gradient = 1;
  double overlapped = 3;  // a forward and a backward at once
  double transfer = 0;    // from the end of a stage's work to the start of its neighbour's
};

struct TimedStep {
  Step step;
  double begin = 0, end = 0;
};

struct Timeline {
  std::vector<std::vector<TimedStep>> ranks;
  double makespan = 0;
  std::vector<double> bubble;  // per rank: the makespan without its work
};

// A step starts when its rank is free and what it needs has arrived: a forward the output of the
// stage before, an input gradient (or a backward) that of the stage behind. A schedule that cannot
// go on throws c10::Error with the first step of each rank that waits: see parallel/prove, which
// says more.
Timeline Simulate(const Schedule& schedule, const ScheduleCosts& costs);

}  // namespace deduce
