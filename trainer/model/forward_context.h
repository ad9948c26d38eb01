// What one forward carries through the blocks besides the hidden states: where tokens stand, where
// keys come from, and what routed layers report. Packed and cached forwards differ in nothing else.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "trainer/model/kv_cache.h"

namespace deduce {

struct ForwardContext {
  at::Tensor positions_t;  // int64, within the sequence

  // Packed: offsets of the sequences in the batch, first 0, last t. Unused with a cache.
  const std::vector<int64_t>* sequence_starts = nullptr;
  // Under gradients: backward computes the attention of each layer again, out of what the two
  // members above point to.
  bool recompute_attention = false;

  // Cached: row i is the token at position positions[i] of slot slots[i].
  KvCache* cache = nullptr;
  const std::vector<int64_t>* slots = nullptr;
  const std::vector<int64_t>* positions = nullptr;

  // Under gradients, routed layers add their tokens per expert to row `routed layer` of
  // expert_load_le (int64) and append their balance loss (scalar).
  at::Tensor expert_load_le;
  std::vector<at::Tensor> balance_losses;
};

// Causal attention of the context's tokens: q_thk [t, heads, k], k_tgk [t, kv_heads, k], v_tgv
// [t, kv_heads, v] -> [t, heads, v]. With a cache, k and v are written to `layer` of it first.
// Equal bits either way.
at::Tensor Attend(const ForwardContext& context, int64_t layer, const at::Tensor& q_thk,
                  const at::Tensor& k_tgk, const at::Tensor& v_tgv, double softmax_scale);

}  // namespace deduce
