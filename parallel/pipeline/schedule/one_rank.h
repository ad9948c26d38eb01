// Several chunks without a pipeline: what one rank gathers weights for, or computes again, at a
// time.
#pragma once

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

// Each micro-batch forward through all chunks and back: the activations of one are kept.
Schedule OneRank(int num_chunks, int num_micro_batches);

}  // namespace deduce
