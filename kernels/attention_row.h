// Attention of one query over its keys, the routine that the packed and the cached form share.
// Every number is a function of the query and of the keys up to it: a score is a dot product in a
// fixed tree, the sums run over key indices in order.
#pragma once

#include <ATen/core/Tensor.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/masked_vector.h"

namespace deduce {

// The rows of one head's keys or values: row j begins at data + j * stride and is `width` wide.
struct HeadRows {
  const float* data;
  int64_t stride;
  int64_t width;
};

// One head's rows of x_htk [heads, t, width], contiguous, from row `first` on.
inline HeadRows RowsOf(const at::Tensor& x_htk, int64_t head, int64_t first) {
  const int64_t width = x_htk.size(2);
  return {x_htk.const_data_ptr<float>() + (head * x_htk.size(1) + first) * width, width, width};
}

// The score buffers' length for this many keys.
inline int64_t PaddedKeys(int64_t keys) { return (keys + kLanes - 1) / kLanes * kLanes; }

// The eight lane sums of eight vectors, each by the same tree.
inline FloatVector SumEach(const FloatVector (&v)[8]) {
  const __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  const __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                       _mm256_permute2f128_ps(low, high, 0x31));
}

// dots[j] = scale * dot(query, row j) for j < keys, `fill` from there to PaddedKeys(keys). Eight
// rows at a time.
inline void DotRows(const float* query, const HeadRows& rows, int64_t keys, float scale, float fill,
                    float* dots) {
  for (int64_t first = 0; first < keys; first += kLanes) {
    const float* row[8];
    for (int64_t i = 0; i < 8; ++i)
      row[i] = rows.data + std::min(first + i, keys - 1) * rows.stride;
    FloatVector sum[8] = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
    int64_t d = 0;
    for (; d + kLanes <= rows.width; d += kLanes) {
      const FloatVector q = FloatVector::loadu(query + d);
      Unroll<8>([&](int i) { sum[i] = at::vec::fmadd(q, FloatVector::loadu(row[i] + d), sum[i]); });
    }
    if (d < rows.width) {
      const int64_t count = rows.width - d;
      const FloatVector q = LoadMasked(query + d, count);
      Unroll<8>([&](int i) { sum[i] = at::vec::fmadd(q, LoadMasked(row[i] + d, count), sum[i]); });
    }
    const FloatVector scaled = SumEach(sum) * FloatVector(scale);
    FloatVector::set(FloatVector(fill), scaled, keys - first).store(dots + first);
  }
}

// out[i] = scale * sum over j of weights[j] * rows[j * stride + i] for i < kVectors * kLanes.
template <int kVectors>
inline void WeightColumns(const float* weights, const float* rows, int64_t stride, int64_t keys,
                          float scale, float* out) {
  FloatVector sum[kVectors];
  Unroll<kVectors>([&](int i) { sum[i] = FloatVector(0.0f); });
  for (int64_t j = 0; j < keys; ++j, rows += stride) {
    const FloatVector weight(weights[j]);
    Unroll<kVectors>([&](int i) {
      sum[i] = at::vec::fmadd(weight, FloatVector::loadu(rows + i * kLanes), sum[i]);
    });
  }
  Unroll<kVectors>([&](int i) { (sum[i] * FloatVector(scale)).store(out + i * kLanes); });
}

// out = scale * sum over j < keys of weights[j] * row j, added in the order of j.
inline void WeightRows(const float* weights, const HeadRows& rows, int64_t keys, float scale,
                       float* out) {
  int64_t d = 0;
  for (; d + 8 * kLanes <= rows.width; d += 8 * kLanes) {
    WeightColumns<8>(weights, rows.data + d, rows.stride, keys, scale, out + d);
  }
  for (; d + 4 * kLanes <= rows.width; d += 4 * kLanes) {
    WeightColumns<4>(weights, rows.data + d, rows.stride, keys, scale, out + d);
  }
  for (; d + kLanes <= rows.width; d += kLanes) {
    WeightColumns<1>(weights, rows.data + d, rows.stride, keys, scale, out + d);
  }
  if (d == rows.width) return;
  const int64_t count = rows.width - d;
  FloatVector sum(0.0f);
  for (int64_t j = 0; j < keys; ++j) {
    sum = at::vec::fmadd(FloatVector(weights[j]),
                         LoadMasked(rows.data + j * rows.stride + d, count), sum);
  }
  StoreMasked(sum * FloatVector(scale), out + d, count);
}

// Writes the attention of `query` over `keys` > 0 keys to out and returns the logarithm of the
// softmax's denominator. scores: scratch of PaddedKeys(keys) floats.
inline float AttendRow(const float* query, const HeadRows& key_rows, const HeadRows& value_rows,
                       int64_t keys, float softmax_scale, float* scores, float* out) {
  const int64_t padded = PaddedKeys(keys);
  DotRows(query, key_rows, keys, softmax_scale, -std::numeric_limits<float>::infinity(), scores);
  FloatVector max_lanes(-std::numeric_limits<float>::infinity());
  for (int64_t j = 0; j < padded; j += kLanes) {
    max_lanes = at::vec::maximum(max_lanes, FloatVector::loadu(scores + j));
  }
  const float max = MaxLanes(max_lanes);
  FloatVector sum_lanes(0.0f);
  for (int64_t j = 0; j < padded; j += kLanes) {
    const FloatVector e = (FloatVector::loadu(scores + j) - FloatVector(max)).exp();
    e.store(scores + j);
    sum_lanes = sum_lanes + e;
  }
  const float sum = SumLanes(sum_lanes);
  WeightRows(scores, value_rows, keys, 1.0f / sum, out);
  return max + std::log(sum);
}

}  // namespace deduce
