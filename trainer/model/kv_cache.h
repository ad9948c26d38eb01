// Keys and values of sequences under generation, per layer, in slots.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace deduce {

// Exact mode caches expanded keys and values per head (also for MLA), so that cached and packed
// attention read the same bits.
struct KvCache {
  std::vector<at::Tensor> k_spgk;  // per layer, of the model's type and device, [slots,
                                   // max_positions, kv_heads, k], contiguous
  std::vector<at::Tensor> v_spgv;

  // Writes row i of k_tgk [t, kv_heads, k] and v_tgv at (slots[i], positions[i]) of a layer. A
  // place outside the cache throws c10::Error with its numbers.
  void Write(int64_t layer, const at::Tensor& k_tgk, const at::Tensor& v_tgv,
             const std::vector<int64_t>& slots, const std::vector<int64_t>& positions);

  // Copies positions 0..length-1 of one slot over another's, in every layer: a group shares one
  // prefill. A slot or length outside the cache throws c10::Error.
  void CopySlot(int64_t from, int64_t to, int64_t length);
};

}  // namespace deduce
