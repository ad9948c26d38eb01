// Softmax attention of queries over one block of keys, and the merge of such parts: blockwise
// attention (Liu et al. 2023, arXiv 2310.01889), the softmax as in FlashAttention (Dao et al. 2022,
// arXiv 2205.14135); and the backward of a block.
#pragma once

#include "kernels/plain/attention_state.h"

namespace deduce {

// q_thk [t, heads, k], k_gxk [kv_heads, x, k], v_gxv [kv_heads, x, v], contiguous, of one
// floating type; heads is a multiple of kv_heads. c10::Error for other shapes and types, and for
// runs that do not fit them. A query's result has the same bits whichever other queries, sequences
// and threads there are. Not differentiable.
PartialAttention AttendKeyBlock(const at::Tensor& q_thk, const at::Tensor& k_gxk,
                                const at::Tensor& v_gxv, const KeyRuns& runs, double softmax_scale);

// The block's part of the queries' gradients, and the gradients of its keys and values, in the
// state's type. They follow from the result over all blocks and its softmax denominators, so the
// queries' gradient is the sum of all blocks' parts. `runs` is that of AttendKeyBlock.
AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale);

// sum = the attention over the keys of both, which no query sees twice; of one shape and type, else
// c10::Error. What a block adds depends on the order of the blocks in its rounding alone.
void MergeAttention(PartialAttention& sum, const PartialAttention& block);

}  // namespace deduce
