#include "parallel/pipeline/schedule/interleaved.h"

#include <c10/util/Exception.h>

#include <algorithm>

namespace deduce {
namespace {

// The i-th micro-batch and chunk in the order of forwards.
Action ForwardNumber(int i, int num_ranks, int num_chunks) {
  const int round = num_ranks * num_chunks;
  return {Work::kForward, i % round / num_ranks, i / round * num_ranks + i % num_ranks};
}

}  // namespace

Schedule Interleaved(int num_ranks, int num_chunks, int num_micro_batches) {
  TORCH_CHECK(num_micro_batches % num_ranks == 0, "Interleaved: found ", num_micro_batches,
              " micro-batches, expected a multiple of the ", num_ranks, " ranks");
  Schedule schedule = LoopSchedule("interleaved", num_ranks, num_chunks, num_micro_batches);
  const int total = num_chunks * num_micro_batches;
  for (int rank = 0; rank < num_ranks; ++rank) {
    std::vector<Step>& steps = schedule.ranks[rank];
    int forwards = 0, backwards = 0;
    const auto forward = [&] {
      steps.push_back({ForwardNumber(forwards++, num_ranks, num_chunks)});
    };
    const auto backward = [&] {
      Action action = ForwardNumber(backwards++, num_ranks, num_chunks);
      action.work = Work::kBackward;
      action.chunk = num_chunks - 1 - action.chunk;
      steps.push_back({action});
    };
    const int ahead = std::min(2 * (num_ranks - 1 - rank) + (num_chunks - 1) * num_ranks, total);
    while (forwards < ahead) forward();
    while (forwards < total) {
      forward();
      backward();
    }
    while (backwards < total) backward();
  }
  return schedule;
}

}  // namespace deduce
