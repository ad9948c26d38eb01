// Sums of rows with weights, the inner loop of attention: small products whose every sum runs over
// its rows in their order, whatever is computed beside it.
#pragma once

#include <cstdint>

#include "kernels/cpu/masked_vector.h"

namespace deduce {

// weight(target, row) = data[target * of_target + row * of_row].
struct RowWeights {
  const float* data;
  int64_t of_target, of_row;
};

namespace internal {

// kTargets targets, kVectors vectors of columns; the last vector has `count` columns.
template <int kTargets, int kVectors>
inline void AddWeightedTile(const RowWeights& weights, const float* rows, int64_t row_stride,
                            int64_t num_rows, float* targets, int64_t target_stride,
                            int64_t count) {
  const auto load = [&](const float* from, int v) {
    return v + 1 < kVectors ? FloatVector::loadu(from + v * kLanes)
                            : LoadMasked(from + v * kLanes, count);
  };
  FloatVector sum[kTargets * kVectors];
  Unroll<kTargets * kVectors>(
      [&](int i) { sum[i] = load(targets + i / kVectors * target_stride, i % kVectors); });
  for (int64_t row = 0; row < num_rows; ++row) {
    FloatVector values[kVectors];
    Unroll<kVectors>([&](int v) { values[v] = load(rows + row * row_stride, v); });
    Unroll<kTargets>([&](int t) {
      const FloatVector weight(weights.data[t * weights.of_target + row * weights.of_row]);
      Unroll<kVectors>([&](int v) {
        sum[t * kVectors + v] = at::vec::fmadd(weight, values[v], sum[t * kVectors + v]);
      });
    });
  }
  Unroll<kTargets * kVectors>([&](int i) {
    StoreMasked(sum[i], targets + i / kVectors * target_stride + i % kVectors * kLanes,
                i % kVectors + 1 < kVectors ? kLanes : count);
  });
}

template <int kTargets>
inline void AddWeightedColumns(const RowWeights& weights, const float* rows, int64_t row_stride,
                               int64_t num_rows, float* targets, int64_t target_stride,
                               int64_t width) {
  int64_t d = 0;
  for (; d + 2 * kLanes <= width; d += 2 * kLanes) {
    AddWeightedTile<kTargets, 2>(weights, rows + d, row_stride, num_rows, targets + d,
                                 target_stride, kLanes);
  }
  for (; d < width; d += kLanes) {
    AddWeightedTile<kTargets, 1>(weights, rows + d, row_stride, num_rows, targets + d,
                                 target_stride, std::min(kLanes, width - d));
  }
}

}  // namespace internal

// target t += weight(t, 0) * row 0 + weight(t, 1) * row 1 + ..., each a row of `width`, for t below
// num_targets; each sum by fused steps in the order of rows, beginning with what the target holds.
inline void AddWeightedRows(RowWeights weights, const float* rows, int64_t row_stride,
                            int64_t num_rows, float* targets, int64_t target_stride,
                            int64_t num_targets, int64_t width) {
  constexpr int kTile = 4;
  int64_t t = 0;
  const auto at = [&](int64_t first) {
    return RowWeights{weights.data + first * weights.of_target, weights.of_target, weights.of_row};
  };
  for (; t + kTile <= num_targets; t += kTile) {
    internal::AddWeightedColumns<kTile>(at(t), rows, row_stride, num_rows,
                                        targets + t * target_stride, target_stride, width);
  }
  for (; t < num_targets; ++t) {
    internal::AddWeightedColumns<1>(at(t), rows, row_stride, num_rows, targets + t * target_stride,
                                    target_stride, width);
  }
}

}  // namespace deduce
