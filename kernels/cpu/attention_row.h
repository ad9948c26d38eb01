// Attention of some queries over their keys, the routine that the packed and the cached form share.
// Every number is a function of the query and of the keys up to it: a score is a dot product in a
// fixed tree, the sums run over key indices in order.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>

#include "kernels/cpu/masked_vector.h"
#include "kernels/cpu/weighted_rows.h"

namespace deduce {

// Queries that one call may have.
inline constexpr int64_t kQueriesAtATime = 16;

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
inline FloatVector SumEach(const __m256 (&v)[8]) {
  const __m256 low = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  const __m256 high = _mm256_hadd_ps(_mm256_hadd_ps(v[4], v[5]), _mm256_hadd_ps(v[6], v[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(low, high, 0x20),
                       _mm256_permute2f128_ps(low, high, 0x31));
}

// For each of the queries, at query + q * query_stride: dots[q][j] = scale * dot(query, row j) for
// j < keys[q], `fill` from there to PaddedKeys of the most keys. Eight dots at a time; a dot has
// the same bits whatever the number of queries.
template <int kQueries>
inline void DotRows(const float* query, int64_t query_stride, const HeadRows& rows,
                    const int64_t (&keys)[kQueries], float scale, float fill,
                    float* const (&dots)[kQueries]) {
  static_assert(kQueries == 1 || kQueries == 2);
  constexpr int kRows = kLanes / kQueries;
  const int64_t most = keys[kQueries - 1];
  const int64_t last = (most - 1) * rows.stride;
  for (int64_t first = 0; first < most; first += kLanes) {
    FloatVector lanes[kQueries];  // of kRows keys each: kRows dots of one query after the other's
    for (int part = 0; part < kQueries; ++part) {
      const int64_t begin = (first + part * kRows) * rows.stride;
      const float* row[kRows];
      Unroll<kRows>([&](int i) { row[i] = rows.data + std::min(begin + i * rows.stride, last); });
      __m256 sum[kLanes];  // FloatVector would clear memory first
      Unroll<kLanes>([&](int i) { sum[i] = _mm256_setzero_ps(); });
      const auto add = [&](int64_t d, int64_t count) {
        __m256 q[kQueries];
        Unroll<kQueries>([&](int i) { q[i] = LoadMasked(query + i * query_stride + d, count); });
        Unroll<kRows>([&](int j) {
          const __m256 k = LoadMasked(row[j] + d, count);
          Unroll<kQueries>(
              [&](int i) { sum[i * kRows + j] = _mm256_fmadd_ps(q[i], k, sum[i * kRows + j]); });
        });
      };
      ForEachVector(rows.width, add);
      lanes[part] = SumEach(sum);
    }
    FloatVector of_query[kQueries];
    if constexpr (kQueries == 1) {
      of_query[0] = lanes[0];
    } else {
      of_query[0] = _mm256_permute2f128_ps(lanes[0], lanes[1], 0x20);
      of_query[1] = _mm256_permute2f128_ps(lanes[0], lanes[1], 0x31);
    }
    for (int q = 0; q < kQueries; ++q) {
      const int64_t seen = std::clamp<int64_t>(keys[q] - first, 0, kLanes);
      FloatVector::set(FloatVector(fill), of_query[q] * FloatVector(scale), seen)
          .store(dots[q] + first);
    }
  }
}

// How many keys of this width stay in the first-level cache while several queries look at them.
inline int64_t KeysAtATime(int64_t width) {
  constexpr int64_t kFloats = 4096;
  return std::max(kLanes, kFloats / std::max<int64_t>(1, width) / kLanes * kLanes);
}

// Queries that see the first keys of the same run: query i is a row at data + i * stride and sees
// visible[i] of them, in rising order.
struct QueryRows {
  const float* data;
  int64_t stride;
  const int64_t* visible;
  int64_t count;
  int64_t most_visible() const { return visible[count - 1]; }
};

// One row of padded numbers for each query. A few more floats a row, so that the same column of
// many rows does not lie in one set of the cache.
class ScoreRows {
 public:
  ScoreRows(int64_t most_queries, int64_t most_keys)
      : stride_(PaddedKeys(most_keys) + kLanes),
        numbers_(
            std::make_unique_for_overwrite<float[]>(static_cast<size_t>(most_queries * stride_))) {}
  int64_t stride() const { return stride_; }
  float* row(int64_t i) { return numbers_.get() + i * stride_; }

 private:
  int64_t stride_;
  std::unique_ptr<float[]> numbers_;
};

// Row i of dots = scale * dot(query i, row j) for the rows that it sees, `fill` from there to
// PaddedKeys(visible[i]).
inline void DotVisible(const QueryRows& queries, const HeadRows& rows, float scale, float fill,
                       ScoreRows& dots) {
  const int64_t step = KeysAtATime(rows.width);
  for (int64_t first = 0; first < queries.most_visible(); first += step) {
    const HeadRows here{rows.data + first * rows.stride, rows.stride, rows.width};
    const auto keys = [&](int64_t i) {
      return std::clamp<int64_t>(queries.visible[i] - first, 0, step);
    };
    int64_t i = 0;
    for (; i + 2 <= queries.count; i += 2) {
      DotRows<2>(queries.data + i * queries.stride, queries.stride, here, {keys(i), keys(i + 1)},
                 scale, fill, {dots.row(i) + first, dots.row(i + 1) + first});
    }
    if (i < queries.count) {
      DotRows<1>(queries.data + i * queries.stride, queries.stride, here, {keys(i)}, scale, fill,
                 {dots.row(i) + first});
    }
  }
}

// target i += sum over the rows j that query i sees of weights.row(i)[j] * row j, in order of j.
inline void AddVisible(const QueryRows& queries, ScoreRows& weights, const HeadRows& rows,
                       float* targets, int64_t target_stride) {
  constexpr int64_t kTogether = 4;
  for (int64_t i = 0; i < queries.count; i += kTogether) {
    const int64_t together = std::min(kTogether, queries.count - i);
    const int64_t common = queries.visible[i];
    AddWeightedRows({weights.row(i), weights.stride(), 1}, rows.data, rows.stride, common,
                    targets + i * target_stride, target_stride, together, rows.width);
    for (int64_t k = i + 1; k < i + together; ++k) {
      AddWeightedRows({weights.row(k) + common, 0, 1}, rows.data + common * rows.stride,
                      rows.stride, queries.visible[k] - common, targets + k * target_stride, 0, 1,
                      rows.width);
    }
  }
}

// Makes the scores of `keys` > 0 keys exp(score - maximum), in place. Returns the logarithm of the
// softmax's denominator, and 1 / the sum of what is left there in `inverse`.
inline float Exponentials(float* scores, int64_t keys, float& inverse) {
  const int64_t padded = PaddedKeys(keys);
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
  inverse = 1.0f / sum;
  return max + std::log(sum);
}

// Writes the attention of each query over the keys it sees to out, row i at out + i * out_stride,
// and the logarithm of its softmax's denominator to log_sum_exp[i]: zeros and -infinity where it
// sees none. scores: room for the queries and keys.
inline void AttendRows(const QueryRows& queries, const HeadRows& key_rows,
                       const HeadRows& value_rows, float softmax_scale, ScoreRows& scores,
                       float* out, int64_t out_stride, float* log_sum_exp) {
  DotVisible(queries, key_rows, softmax_scale, -std::numeric_limits<float>::infinity(), scores);
  float inverse[kQueriesAtATime];
  for (int64_t i = 0; i < queries.count; ++i) {
    std::fill_n(out + i * out_stride, value_rows.width, 0.0f);
    inverse[i] = 0;
    log_sum_exp[i] = queries.visible[i] == 0
                         ? -std::numeric_limits<float>::infinity()
                         : Exponentials(scores.row(i), queries.visible[i], inverse[i]);
  }
  AddVisible(queries, scores, value_rows, out, out_stride);
  for (int64_t i = 0; i < queries.count; ++i) {
    float* row = out + i * out_stride;
    ForEachVector(value_rows.width, [&](int64_t d, int64_t count) {
      StoreMasked(LoadMasked(row + d, count) * FloatVector(inverse[i]), row + d, count);
    });
  }
}

}  // namespace deduce
