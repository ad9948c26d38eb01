// Causal softmax attention over packed sequences and over a key-value cache. Each (query, head) is
// computed over its own keys in order of position, so neighbours in a row, cache slots and batching
// leave its bits alone: the packed and the cached form give equal bits.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/plain/attention_state.h"

namespace deduce {

// q_thk [t, heads, k], k_tgk [t, kv_heads, k], v_tgv [t, kv_heads, v] -> [t, heads, v], of one
// floating type. heads is a multiple of kv_heads. sequence_starts: offsets of the packed
// sequences, first 0, last t; a token sees itself and the earlier tokens of its sequence.
// c10::Error for other shapes, types and offsets. Differentiable in q, k and v (recomputes
// probabilities; memory linear in t).
at::Tensor CausalAttention(const at::Tensor& q_thk, const at::Tensor& k_tgk,
                           const at::Tensor& v_tgv, const std::vector<int64_t>& sequence_starts,
                           double softmax_scale);

// The same of queries that see runs of the keys k_xgk [x, kv_heads, k] and v_xgv. A query has the
// same bits whichever others there are, so those of CausalAttention where it sees the same keys.
at::Tensor AttentionOverRuns(const at::Tensor& q_thk, const at::Tensor& k_xgk,
                             const at::Tensor& v_xgv, const KeyRuns& runs, double softmax_scale);

// Whether out is the result of one of the two with a gradient, or a view of all of it: then
// backward of attention keeps it anyway.
bool KeptByAttention(const at::Tensor& out);

// The same for tokens whose keys live in a cache: row i attends to positions 0..positions[i] of
// slot slots[i] of k_cache_spgk [slots, max_positions, kv_heads, k] and v_cache_spgv. The rows' own
// keys must have been written already. Slots and positions are on the host; a place outside the
// cache throws c10::Error with its numbers. Not differentiable.
at::Tensor CachedAttention(const at::Tensor& q_thk, const at::Tensor& k_cache_spgk,
                           const at::Tensor& v_cache_spgv, const std::vector<int64_t>& slots,
                           const std::vector<int64_t>& positions, double softmax_scale);

// Writes row i of rows_tgk [t, kv_heads, k] at (slots[i], positions[i]) of cache_spgk, contiguous;
// places as for CachedAttention, none twice.
void WriteCacheRows(at::Tensor& cache_spgk, const at::Tensor& rows_tgk,
                    const std::vector<int64_t>& slots, const std::vector<int64_t>& positions);

}  // namespace deduce
