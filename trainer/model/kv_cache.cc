#include "trainer/model/kv_cache.h"

#include <c10/util/Exception.h>

#include <algorithm>

namespace deduce {
namespace {

void WriteRows(at::Tensor& cache_spgk, const at::Tensor& rows_tgk,
               const std::vector<int64_t>& slots, const std::vector<int64_t>& positions) {
  const int64_t num_slots = cache_spgk.size(0);
  const int64_t max_positions = cache_spgk.size(1);
  const int64_t width = cache_spgk.size(2) * cache_spgk.size(3);
  const at::Tensor rows = rows_tgk.contiguous();
  TORCH_CHECK(rows.numel() == static_cast<int64_t>(slots.size()) * width &&
                  slots.size() == positions.size(),
              "KvCache::Write: found rows of shape ", rows.sizes(), " for ", slots.size(),
              " slots and ", positions.size(), " positions, expected ", width, " numbers a row");
  const float* from = rows.const_data_ptr<float>();
  float* to = cache_spgk.mutable_data_ptr<float>();
  for (size_t i = 0; i < slots.size(); ++i) {
    TORCH_CHECK(
        slots[i] >= 0 && slots[i] < num_slots && positions[i] >= 0 && positions[i] < max_positions,
        "KvCache::Write: found slot ", slots[i], " and position ", positions[i],
        ", expected less than ", num_slots, " and ", max_positions);
    std::copy_n(from + i * width, width, to + (slots[i] * max_positions + positions[i]) * width);
  }
}

void CopyRows(at::Tensor& cache_spgk, int64_t from, int64_t to, int64_t length) {
  const int64_t num_slots = cache_spgk.size(0);
  const int64_t max_positions = cache_spgk.size(1);
  TORCH_CHECK(from >= 0 && from < num_slots && to >= 0 && to < num_slots && length >= 0 &&
                  length <= max_positions,
              "KvCache::CopySlot: found slots ", from, " to ", to, " and length ", length,
              ", expected slots below ", num_slots, " and at most ", max_positions, " positions");
  if (from == to) return;
  const int64_t width = cache_spgk.size(2) * cache_spgk.size(3);
  float* data = cache_spgk.mutable_data_ptr<float>();
  std::copy_n(data + from * max_positions * width, length * width,
              data + to * max_positions * width);
}

}  // namespace

void KvCache::Write(int64_t layer, const at::Tensor& k_tgk, const at::Tensor& v_tgv,
                    const std::vector<int64_t>& slots, const std::vector<int64_t>& positions) {
  WriteRows(k_spgk.at(layer), k_tgk, slots, positions);
  WriteRows(v_spgv.at(layer), v_tgv, slots, positions);
}

void KvCache::CopySlot(int64_t from, int64_t to, int64_t length) {
  for (at::Tensor& cache_spgk : k_spgk) CopyRows(cache_spgk, from, to, length);
  for (at::Tensor& cache_spgv : v_spgv) CopyRows(cache_spgv, from, to, length);
}

}  // namespace deduce
