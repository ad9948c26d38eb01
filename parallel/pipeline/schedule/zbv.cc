#include "parallel/pipeline/schedule/zbv.h"

#include <c10/util/Exception.h>

#include "parallel/pipeline/schedule/rank_steps.h"

namespace deduce {

Schedule Zbv(int num_ranks, int num_micro_batches) {
  TORCH_CHECK(num_micro_batches >= 2 * num_ranks - 1, "Zbv: found ", num_micro_batches,
              " micro-batches, expected at least ", 2 * num_ranks - 1, " for ", num_ranks,
              " ranks");
  Schedule schedule = VSchedule("zbv", num_ranks, num_micro_batches);
  for (int rank = 0; rank < num_ranks; ++rank) {
    RankSteps steps(schedule.ranks[rank], {0, 0});
    const int below = num_ranks - rank;  // ranks from this one to the turn of the V
    const auto whole_backward = [&](int chunk) {
      steps.InputGradient(chunk);
      steps.WeightGradient();
    };
    for (int i = 0; i < 2 * below - 1; ++i) steps.Forward(0);
    for (int i = 0; i < rank; ++i) {
      steps.Forward(1);
      steps.Forward(0);
    }
    for (int i = 0; i < below; ++i) {
      steps.Forward(1);
      whole_backward(1);
    }
    while (steps.num_forward(1) < num_micro_batches) {
      if (steps.num_forward(0) < num_micro_batches) steps.Forward(0);
      whole_backward(0);
      steps.Forward(1);
      whole_backward(1);
    }
    for (int i = 0; i < rank; ++i) {
      steps.InputGradient(0);
      steps.InputGradient(1);
    }
    for (int i = 0; i < below; ++i) {
      steps.InputGradient(0);
      steps.WeightGradient();
    }
    while (steps.has_waiting()) steps.WeightGradient();
  }
  return schedule;
}

}  // namespace deduce
