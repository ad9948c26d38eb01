// Time of a schedule: an event simulation of its ranks under a cost model.
#pragma once

#include <vector>

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Seconds, or any unit. Of one micro-batch through one stage, when nothing else is done beside it.
struct StageCosts {
  double forward = 0;
  double backward = 0;  // input and weight gradient at once
  double input_gradient = 0;
  double weight_gradient = 0;
  double gather = 0;  // of the stage's weights: as ScheduleCosts::gather
};

// In the same unit. Of one micro-batch through one chunk.
struct ScheduleCosts {
  double forward = 1;
  double backward = 2;  // input and weight gradient at once
  double input_gradient = 1;
  double weight_gradient = 1;
  double overlapped = 3;  // a forward and a backward at once
  double gather = 0;      // of a chunk's weights, before the first of works in a row that read them
  double transfer = 0;    // from the end of a stage's work to its neighbour's, on another rank
  double transfer_bytes = 0;  // of such a message
  // Where stages differ: instead of the first six above, the costs of each stage, and [stage of
  // the forward][stage of the backward] those of overlapped pairs. Without the latter, the two of
  // a pair are done in turn, once the inputs of both are there, and sent when both are over.
  std::vector<StageCosts> stages = {};
  std::vector<std::vector<double>> overlapped_stages = {};
  // Cores that all ranks share: when more of them work, each gets on at cores / (ranks that work)
  // of its speed. 0: a core for each.
  double cores = 0;
};

struct TimedStep {
  Step step;
  double begin = 0, end = 0;
};

struct Timeline {
  std::vector<std::vector<TimedStep>> ranks;
  double makespan = 0;
  // One entry a rank:
  std::vector<double> bubble;      // the makespan without its work
  std::vector<double> exposed;     // communication: it waits for what has been made, or gathers
  std::vector<double> bytes_sent;  // to other ranks
};

// A step starts when its rank is free and what it needs has arrived: a forward the output of the
// stage before, an input gradient (or a backward) that of the stage behind. A schedule that cannot
// go on throws c10::Error with the first step of each rank that waits: see parallel/pipeline/prove,
// which says more.
Timeline Simulate(const Schedule& schedule, const ScheduleCosts& costs);

// A rank's time by kind of step.
struct WorkTimes {
  double forward = 0;          // forwards by themselves
  double backward = 0;         // backwards and input gradients by themselves
  double weight_gradient = 0;  // weight gradients by themselves
  double overlapped = 0;       // a forward and a backward at once
};
WorkTimes TimesByKind(const std::vector<TimedStep>& steps);

}  // namespace deduce
