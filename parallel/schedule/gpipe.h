// All forwards, then all backwards (GPipe, arXiv 1811.06965).
#pragma once

#include "parallel/schedule/schedule.h"

namespace deduce {

// Bubble (p - 1)(F + B); a rank keeps the activations of all micro-batches.
Schedule Gpipe(int num_ranks, int num_micro_batches);

}  // namespace deduce
