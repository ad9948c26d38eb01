// Schedules that overlap the forward of one micro-batch with the backward of another, so that the
// all-to-all of one hides behind the computation of the other (DualPipe, DeepSeek-V3, arXiv
// 2412.19437, section 3.2.1; DualPipeV, its form on half the ranks).
#pragma once

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Micro-batches of the first half go down the ranks, those of the second half up; rank r holds
// stages r (chunk 0 of the first half's path) and p - 1 - r (chunk 1), so each stage lies on two
// ranks. Bubble (p/2 - 1)(FB + B - 3W), activations p + 1. Both counts must be even and
// num_micro_batches at least 2p, else c10::Error.
Schedule DualPipe(int num_ranks, int num_micro_batches);

// The same timeline with a V of two chunks a rank and one copy of each stage: rank r holds stages r
// and 2p - 1 - r. num_micro_batches must be at least 2p, else c10::Error.
Schedule DualPipeV(int num_ranks, int num_micro_batches);

}  // namespace deduce
