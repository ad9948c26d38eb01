// Inputs and results of attention over a block of keys. Plain causal attention, whose block is all
// keys, and attention over the blocks of several ranks share this form.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace deduce {

// Which keys of a block each query sees: the first visible_t[i] of its sequence's. query_starts and
// key_starts: offsets of the sequences' queries and keys, first 0, last the number of rows, one
// entry more than there are sequences. visible_t rises within a sequence, from 0 on.
struct KeyRuns {
  std::vector<int64_t> query_starts, key_starts, visible_t;
};

// Where in the block the keys of each query's sequence begin.
inline std::vector<int64_t> FirstKeys(const KeyRuns& runs) {
  std::vector<int64_t> first_t;
  first_t.reserve(runs.visible_t.size());
  for (size_t s = 0; s + 1 < runs.query_starts.size(); ++s)
    first_t.resize(static_cast<size_t>(runs.query_starts[s + 1]), runs.key_starts[s]);
  return first_t;
}

// The most keys that a sequence has.
inline int64_t LongestRun(const KeyRuns& runs) {
  int64_t longest = 0;
  for (size_t s = 0; s + 1 < runs.key_starts.size(); ++s)
    longest = std::max(longest, runs.key_starts[s + 1] - runs.key_starts[s]);
  return longest;
}

// Attention over some of a query's keys: the result as if there were no others, [t, heads, v], and
// the logarithm of each softmax's denominator, [heads, t]. Zero and -infinity where a query sees
// none.
struct PartialAttention {
  at::Tensor out_thv, log_sum_exp_ht;
};

// Backward's inputs for a block: keys and values by head, the result and the logarithms over all
// blocks, and the gradient of the result. All contiguous and of one type.
struct AttentionState {
  at::Tensor q_thk, k_gxk, v_gxv, out_thv, log_sum_exp_ht, grad_thv;
};

struct AttentionGradients {
  at::Tensor grad_q_thk, grad_k_gxk, grad_v_gxv;
};

}  // namespace deduce
