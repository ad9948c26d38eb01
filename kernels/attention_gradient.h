// The gradient of causal attention over packed sequences, from the forward pass's result and
// softmax denominators.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace deduce {

// What the forward pass leaves, keys and values by head: fp32 and contiguous, letters as in
// causal_attention.h.
struct AttentionState {
  at::Tensor q_thk, k_gxk, v_gxv, out_thv;
  at::Tensor log_sum_exp_ht;  // logarithm of each softmax's denominator
  at::Tensor grad_thv;        // of the result
};

struct AttentionGradients {
  at::Tensor grad_q_thk, grad_k_gxk, grad_v_gxv;
};

// Sums over queries run in the order of (head of the group, query), whatever the threads.
AttentionGradients CausalAttentionGradients(const AttentionState& state,
                                            const std::vector<int64_t>& sequence_starts,
                                            const std::vector<int64_t>& query_tokens,
                                            float softmax_scale);

}  // namespace deduce
