#include "parallel/pipeline/schedule/one_f_one_b.h"

#include <algorithm>

#include "parallel/pipeline/schedule/rank_steps.h"

namespace deduce {

Schedule OneFOneB(int num_ranks, int num_micro_batches) {
  Schedule schedule = LoopSchedule("1f1b", num_ranks, 1, num_micro_batches);
  for (int rank = 0; rank < num_ranks; ++rank) {
    RankSteps steps(schedule.ranks[rank], {0});
    const int ahead = std::min(num_ranks - 1 - rank, num_micro_batches);
    for (int i = 0; i < ahead; ++i) steps.Forward(0);
    for (int i = ahead; i < num_micro_batches; ++i) {
      steps.Forward(0);
      steps.Backward(0);
    }
    for (int i = 0; i < ahead; ++i) steps.Backward(0);
  }
  return schedule;
}

}  // namespace deduce
