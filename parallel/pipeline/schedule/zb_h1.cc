#include "parallel/pipeline/schedule/zb_h1.h"

#include <algorithm>

#include "parallel/pipeline/schedule/rank_steps.h"

namespace deduce {

Schedule ZbH1(int num_ranks, int num_micro_batches) {
  Schedule schedule = LoopSchedule("zb-h1", num_ranks, 1, num_micro_batches);
  for (int rank = 0; rank < num_ranks; ++rank) {
    RankSteps steps(schedule.ranks[rank], {0});
    const int ahead = std::min(num_ranks - 1 - rank, num_micro_batches);
    for (int i = 0; i < ahead; ++i) steps.Forward(0);
    // A rank further down has fewer forwards ahead, so it may put off as many weight gradients.
    for (int i = ahead; i < num_micro_batches; ++i) {
      steps.Forward(0);
      steps.InputGradient(0);
      if (i - ahead >= rank) steps.WeightGradient();
    }
    for (int i = 0; i < ahead; ++i) {
      steps.InputGradient(0);
      steps.WeightGradient();
    }
    while (steps.has_waiting()) steps.WeightGradient();
  }
  return schedule;
}

}  // namespace deduce
