// The gradient of attention over a block of keys in fp32 on the CPU, vectorised: as the kernel of
// its name in kernels/key_block_attention.h. Sums over queries run in the order of (head of the
// group, query), whatever the threads.
#pragma once

#include "kernels/plain/attention_state.h"

namespace deduce::cpu {

AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale);

}  // namespace deduce::cpu
