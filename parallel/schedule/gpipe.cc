#include "parallel/schedule/gpipe.h"

#include "parallel/schedule/rank_steps.h"

namespace deduce {

Schedule Gpipe(int num_ranks, int num_micro_batches) {
  Schedule schedule = LoopSchedule("gpipe", num_ranks, 1, num_micro_batches);
  for (std::vector<Step>& own : schedule.ranks) {
    RankSteps steps(own, {0});
    for (int i = 0; i < num_micro_batches; ++i) steps.Forward(0);
    for (int i = 0; i < num_micro_batches; ++i) steps.Backward(0);
  }
  return schedule;
}

}  // namespace deduce
