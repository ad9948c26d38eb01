// Data that one forward carries through the blocks besides hidden states: where tokens stand, where
// keys come from, and what routed layers report. Packed and cached forwards differ in nothing else.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/sequence/token_split.h"
#include "trainer/model/kv_cache.h"
#include "trainer/model/model_groups.h"

namespace deduce {

struct ForwardContext {
  at::Tensor positions_t;  // int64, within the sequence, of the tokens that attention has

  // Packed: offsets of the sequences among the tokens here, first 0, last t. Unused with a cache.
  const std::vector<int64_t>* sequence_starts = nullptr;
  // Packed: which of a micro-batch's tokens are here; null: all. The groups share the rest.
  const TokenShare* share = nullptr;
  const ModelGroups* groups = nullptr;
  // Under gradients: backward computes the attention of each layer again, out of what the
  // members above point to.
  bool recompute_attention = false;

  // Cached: row i is the token at position positions[i] of slot slots[i].
  KvCache* cache = nullptr;
  const std::vector<int64_t>* slots = nullptr;
  const std::vector<int64_t>* positions = nullptr;

  // The packed form that attention reads.
  ForwardContext ForAttention() const {
    ForwardContext packed;
    packed.positions_t = positions_t;
    packed.sequence_starts = sequence_starts;
    packed.share = share;
    packed.groups = groups;
    return packed;
  }

  // Under gradients, routed layers add their tokens per expert to row `routed layer` of
  // expert_load_le (int64) and append their balance loss (scalar).
  at::Tensor expert_load_le;
  std::vector<at::Tensor> balance_losses;
};

// Causal attention of the context's tokens: q_thk [t, heads, k], k_tgk [t, kv_heads, k], v_tgv
// [t, kv_heads, v] -> [t, heads, v]. With a cache, k and v are written to `layer` of it first.
// Collective over the context group with a share of several ranks, here and in backward: keys and
// values go round in it, or are gathered, and share and groups must outlive backward. Equal bits in
// all cases but in a ring.
at::Tensor Attend(const ForwardContext& context, int64_t layer, const at::Tensor& q_thk,
                  const at::Tensor& k_tgk, const at::Tensor& v_tgv, double softmax_scale);

}  // namespace deduce
