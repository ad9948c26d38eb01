#include "parallel/pipeline/schedule/dual_pipe.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "parallel/pipeline/schedule/rank_steps.h"

namespace deduce {
namespace {

// Where a rank stands, as the eight phases below see it.
struct Position {
  int from_middle;        // ranks between this one and the middle of the pipe (the turn of the V)
  int from_end;           // ranks between this one and the nearer end
  int per_chunk;          // micro-batches through each of the two chunks
  bool first_pair_apart;  // the first forward and backward that could overlap do not
};

// `near` is the chunk whose micro-batches come from the nearer end, `far` the other one.
void AppendSteps(const Position& at, int near, int far, RankSteps steps) {
  for (int i = 0; i < 2 * at.from_middle; ++i) steps.Forward(near);
  for (int i = 0; i <= at.from_end; ++i) {
    steps.Forward(near);
    steps.Forward(far);
  }
  for (int i = 0; i < at.from_middle; ++i) {
    steps.InputGradient(far);
    steps.WeightGradient();
    steps.Forward(far);
  }
  const int pipe = 2 * (at.from_middle + at.from_end + 1);  // ranks, or stages of the V
  for (int i = 0; i < at.per_chunk - pipe + at.from_end + 1; ++i) {
    if (i == 0 && at.first_pair_apart) {
      steps.Forward(near);
      steps.Backward(far);
    } else {
      steps.ForwardAndBackward(near, far);
    }
    steps.ForwardAndBackward(far, near);
  }
  for (int i = 0; i < at.from_middle; ++i) {
    steps.Backward(far);
    steps.ForwardAndBackward(far, near);
  }
  // From the second half of this phase on, weight gradients are put off.
  const int count = 2 * (at.from_end + 1);
  for (int i = 0; i < count; ++i) {
    const int chunk = i % 2 == 0 ? far : near;
    if (i < count / 2) {
      steps.Backward(chunk);
    } else {
      steps.InputGradient(chunk);
    }
  }
  for (int i = 0; i < at.from_middle; ++i) {
    steps.WeightGradient();
    steps.InputGradient(near);
  }
  for (int i = 0; i <= at.from_end; ++i) steps.WeightGradient();
}

}  // namespace

Schedule DualPipe(int num_ranks, int num_micro_batches) {
  TORCH_CHECK(
      num_ranks % 2 == 0 && num_micro_batches % 2 == 0 && num_micro_batches >= 2 * num_ranks,
      "DualPipe: found ", num_ranks, " ranks and ", num_micro_batches,
      " micro-batches, expected even numbers and at least twice as many micro-batches");
  Schedule schedule = LoopSchedule("dualpipe", num_ranks, 1, num_micro_batches);
  schedule.num_chunks = 2;
  schedule.paths.emplace_back();
  for (int rank = num_ranks - 1; rank >= 0; --rank) schedule.paths[1].push_back({rank, 1});
  const int half = num_micro_batches / 2;
  for (int i = half; i < num_micro_batches; ++i) schedule.path_of[i] = 1;
  for (int rank = 0; rank < num_ranks; ++rank) {
    const int from_end = std::min(rank, num_ranks - 1 - rank);
    const int from_middle = num_ranks / 2 - 1 - from_end;
    const int near = rank < num_ranks / 2 ? 0 : 1;
    AppendSteps({from_middle, from_end, half, from_middle == 0}, near, 1 - near,
                RankSteps(schedule.ranks[rank], {0, half}));
  }
  return schedule;
}

Schedule DualPipeV(int num_ranks, int num_micro_batches) {
  TORCH_CHECK(num_micro_batches >= 2 * num_ranks, "DualPipeV: found ", num_ranks, " ranks and ",
              num_micro_batches, " micro-batches, expected at least twice as many micro-batches");
  Schedule schedule = VSchedule("dualpipev", num_ranks, num_micro_batches);
  for (int rank = 0; rank < num_ranks; ++rank) {
    AppendSteps({num_ranks - 1 - rank, rank, num_micro_batches, rank == num_ranks - 1}, 0, 1,
                RankSteps(schedule.ranks[rank], {0, 0}));
  }
  return schedule;
}

}  // namespace deduce
