// The gradient of attention over one block of keys, from the result over all blocks and its softmax
// denominators.
#pragma once

#include "kernels/plain/attention_state.h"

namespace deduce {

// What the block gives to the queries' gradients, and the gradients of its keys and values, in the
// state's type. state and runs as they were in key_block_attention.h, fp32 or fp64; with the state
// of all blocks, the queries' gradient is the sum of what they give. Sums over queries run in the
// order of (head of the group, query), whatever the threads.
AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale);

}  // namespace deduce
