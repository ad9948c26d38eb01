#include "trainer/model/kv_cache.h"

#include <c10/util/Exception.h>

#include "kernels/causal_attention.h"

namespace deduce {
namespace {

void CopyRows(at::Tensor& cache_spgk, int64_t from, int64_t to, int64_t length) {
  const int64_t num_slots = cache_spgk.size(0);
  const int64_t max_positions = cache_spgk.size(1);
  TORCH_CHECK(from >= 0 && from < num_slots && to >= 0 && to < num_slots && length >= 0 &&
                  length <= max_positions,
              "KvCache::CopySlot: found slots ", from, " to ", to, " and length ", length,
              ", expected slots below ", num_slots, " and at most ", max_positions, " positions");
  if (from == to) return;
  cache_spgk.select(0, to)
      .narrow(0, 0, length)
      .copy_(cache_spgk.select(0, from).narrow(0, 0, length));
}

}  // namespace

void KvCache::Write(int64_t layer, const at::Tensor& k_tgk, const at::Tensor& v_tgv,
                    const std::vector<int64_t>& slots, const std::vector<int64_t>& positions) {
  WriteCacheRows(k_spgk.at(layer), k_tgk, slots, positions);
  WriteCacheRows(v_spgv.at(layer), v_tgv, slots, positions);
}

void KvCache::CopySlot(int64_t from, int64_t to, int64_t length) {
  for (at::Tensor& cache_spgk : k_spgk) CopyRows(cache_spgk, from, to, length);
  for (at::Tensor& cache_spgv : v_spgv) CopyRows(cache_spgv, from, to, length);
}

}  // namespace deduce
