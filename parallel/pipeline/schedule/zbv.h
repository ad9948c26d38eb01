// Two chunks a rank in the shape of a V, without bubbles when all work takes the same time (ZB-V,
// arXiv 2405.15362).
#pragma once

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Bubble 0 for F = I = W after the pipeline has filled, with the activations of 1F1B and twice its
// transfers. Needs at least 2p - 1 micro-batches, else c10::Error.
Schedule Zbv(int num_ranks, int num_micro_batches);

}  // namespace deduce
