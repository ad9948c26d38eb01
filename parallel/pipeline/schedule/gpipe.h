// All forwards, then all backwards (GPipe, arXiv 1811.06965); with several chunks a rank, all of
// one before the next (breadth-first pipeline parallelism, Lamy-Poirier, arXiv 2211.05953), so that
// weights that are gathered for a chunk serve all micro-batches.
#pragma once

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Bubble (p - 1)(F + B) / v for v chunks, with micro-batches enough (at least p); a rank keeps the
// activations of all micro-batches.
Schedule Gpipe(int num_ranks, int num_chunks, int num_micro_batches);

}  // namespace deduce
