#include "parallel/pipeline/schedule/one_rank.h"

#include "parallel/pipeline/schedule/rank_steps.h"

namespace deduce {

Schedule OneRank(int num_chunks, int num_micro_batches) {
  Schedule schedule = LoopSchedule("one_rank", 1, num_chunks, num_micro_batches);
  RankSteps steps(schedule.ranks.front(), std::vector<int>(num_chunks));
  for (int i = 0; i < num_micro_batches; ++i) {
    for (int chunk = 0; chunk < num_chunks; ++chunk) steps.Forward(chunk);
    for (int chunk = num_chunks - 1; chunk >= 0; --chunk) steps.Backward(chunk);
  }
  return schedule;
}

}  // namespace deduce
