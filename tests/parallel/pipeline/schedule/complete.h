// What every schedule must be: all work of all micro-batches, once, in an order that works.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "parallel/pipeline/schedule/schedule.h"
#include "parallel/pipeline/simulate.h"

namespace deduce {

inline std::vector<Action> ActionsOf(const Schedule& schedule, int rank) {
  std::vector<Action> actions;
  for (const Step& step : schedule.ranks[rank]) {
    actions.push_back(step.first);
    if (step.second) actions.push_back(*step.second);
  }
  return actions;
}

// Each stage of each micro-batch has one forward and either one backward or one of each gradient;
// and the simulation, which waits for what a step needs, comes to the end.
inline void ExpectComplete(const Schedule& schedule) {
  std::map<std::pair<int, int>, std::multiset<char>> work;  // (stage, micro-batch) -> letters
  for (int rank = 0; rank < schedule.num_ranks(); ++rank) {
    for (const Action& action : ActionsOf(schedule, rank)) {
      const int stage = StageOf(schedule, rank, action);
      ASSERT_GE(stage, 0) << schedule.name << " rank " << rank << " " << StepsText({{action}});
      work[{stage, action.micro_batch}].insert(WorkLetter(action.work));
    }
  }
  EXPECT_EQ(work.size(), static_cast<size_t>(schedule.num_stages() * schedule.num_micro_batches));
  for (const auto& [place, letters] : work) {
    const bool whole = letters == std::multiset<char>{'B', 'F'};
    const bool split = letters == std::multiset<char>{'F', 'I', 'W'};
    EXPECT_TRUE(whole || split) << schedule.name << " stage " << place.first << " micro-batch "
                                << place.second;
  }
  EXPECT_NO_THROW(Simulate(schedule, {}));
}

// Most micro-batches whose activations a rank holds at once, counted by chunk: from the forward to
// the last gradient.
inline int PeakActivations(const Schedule& schedule, int rank) {
  int held = 0, peak = 0;
  for (const Action& action : ActionsOf(schedule, rank)) {
    if (action.work == Work::kForward) peak = std::max(peak, ++held);
    if (action.work == Work::kBackward || action.work == Work::kWeightGradient) --held;
  }
  return peak;
}

// Work units of the tables: a backward costs B, of which W is the weight gradient.
inline ScheduleCosts Units(double forward, double backward, double weight, double overlapped) {
  return {.forward = forward,
          .backward = backward,
          .input_gradient = backward - weight,
          .weight_gradient = weight,
          .overlapped = overlapped};
}

}  // namespace deduce
