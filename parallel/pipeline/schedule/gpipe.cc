#include "parallel/pipeline/schedule/gpipe.h"

#include "parallel/pipeline/schedule/rank_steps.h"

namespace deduce {

Schedule Gpipe(int num_ranks, int num_chunks, int num_micro_batches) {
  Schedule schedule = LoopSchedule("gpipe", num_ranks, num_chunks, num_micro_batches);
  for (std::vector<Step>& own : schedule.ranks) {
    RankSteps steps(own, std::vector<int>(num_chunks));
    for (int chunk = 0; chunk < num_chunks; ++chunk) {
      for (int i = 0; i < num_micro_batches; ++i) steps.Forward(chunk);
    }
    for (int chunk = num_chunks - 1; chunk >= 0; --chunk) {
      for (int i = 0; i < num_micro_batches; ++i) steps.Backward(chunk);
    }
  }
  return schedule;
}

}  // namespace deduce
