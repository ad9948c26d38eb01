// 1F1B over several chunks a rank (Megatron-LM, arXiv 2104.04473, section 2.2).
#pragma once

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Bubble (p - 1)(F + B) / v for v chunks. Micro-batches go in rounds of p through the chunks, so
// num_micro_batches must be a multiple of num_ranks, else c10::Error.
Schedule Interleaved(int num_ranks, int num_chunks, int num_micro_batches);

}  // namespace deduce
