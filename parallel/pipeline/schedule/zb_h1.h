// 1F1B with weight gradients put off into what would be waiting (ZB-H1, arXiv 2401.10241).
#pragma once

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Bubble (p - 1)(F + I - W), a third of 1F1B's when all are equal; every rank keeps the activations
// of p micro-batches at most.
Schedule ZbH1(int num_ranks, int num_micro_batches);

}  // namespace deduce
