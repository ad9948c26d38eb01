// One forward, one backward (PipeDream-Flush, arXiv 2006.09503).
#pragma once

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Bubble (p - 1)(F + B); rank r keeps the activations of p - r micro-batches.
Schedule OneFOneB(int num_ranks, int num_micro_batches);

}  // namespace deduce
