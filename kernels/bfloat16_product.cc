#include "kernels/bfloat16_product.h"

#include <ATen/Parallel.h>
#include <ATen/core/ivalue.h>
#include <ATen/cpu/Utils.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace deduce {
namespace {

// A block of b: kDepth of its rows, kWidth columns. It stays in the second-level cache while all
// rows of a, kHeight at a time, are multiplied with it.
constexpr int64_t kHeight = 64, kWidth = 64, kDepth = 1024;
// Each depth has a micro-kernel of its own, so k, which for weight gradients is a number of tokens,
// is rounded up to a multiple of this with zeros.
constexpr int64_t kDepthPadding = 32;

int64_t PaddedDepth(int64_t k) { return (k + kDepthPadding - 1) / kDepthPadding * kDepthPadding; }

// Two bf16 numbers that are neighbours along k: what a micro-kernel multiplies at once.
using Pair = uint32_t;

Pair LoadPair(const at::BFloat16* first, const at::BFloat16* second) {
  return static_cast<Pair>(first->x) | (second == nullptr ? 0 : static_cast<Pair>(second->x) << 16);
}

// to[j][i] = from[i][j]
void Transpose(const Pair* from, int64_t from_stride, int64_t rows, int64_t columns, Pair* to,
               int64_t to_stride) {
  constexpr int64_t kTile = 8;
  const int64_t full_rows = rows / kTile * kTile, full_columns = columns / kTile * kTile;
  for (int64_t i = 0; i < full_rows; i += kTile) {
    for (int64_t j = 0; j < full_columns; j += kTile) {
      // Loads, shuffles and stores: as bits, whatever numbers they would be.
      at::vec::transpose_mxn<float, kTile, kTile>(
          reinterpret_cast<const float*>(from + i * from_stride + j), from_stride,
          reinterpret_cast<float*>(to + j * to_stride + i), to_stride);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < full_rows ? full_columns : 0; j < columns; ++j)
      to[j * to_stride + i] = from[i * from_stride + j];
  }
}

// Rows first, first + 1 of a row-major matrix, `count` columns, as pairs; beyond `rows` zeros.
void JoinRows(const at::BFloat16* data, int64_t stride, int64_t first, int64_t rows, int64_t count,
              Pair* to) {
  const at::BFloat16* upper = data + first * stride;
  if (first + 1 < rows) {
    for (int64_t i = 0; i < count; ++i) to[i] = LoadPair(upper + i, upper + stride + i);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = first < rows ? LoadPair(upper + i, nullptr) : 0;
  }
}

// Pairs of k [depth / 2] by columns [width] of a matrix of k rows, from (k_begin, column) on.
void PackBlock(const Bfloat16Matrix& b, int64_t k, int64_t k_begin, int64_t depth, int64_t column,
               int64_t width, Pair* to) {
  if (!b.transposed) {
    for (int64_t i = 0; i < depth; i += 2)
      JoinRows(b.data + column, b.stride, k_begin + i, k, width, to + i / 2 * width);
    return;
  }
  const at::BFloat16* from = b.data + column * b.stride + k_begin;
  // As pairs where they lie; an odd stride has them at odd places, which is slower and right.
  const int64_t pairs = b.stride % 2 == 0 ? std::min(depth, k - k_begin) / 2 : 0;
  if (pairs > 0)
    Transpose(reinterpret_cast<const Pair*>(from), b.stride / 2, width, pairs, to, width);
  for (int64_t i = 2 * pairs; i < depth; i += 2) {
    const int64_t left = k - k_begin - i;
    for (int64_t j = 0; j < width; ++j) {
      const at::BFloat16* first = from + j * b.stride + i;
      to[i / 2 * width + j] = left <= 0 ? 0 : LoadPair(first, left > 1 ? first + 1 : nullptr);
    }
  }
}

// Rows of a, one after another, PaddedDepth(k) long with zeros at the end.
std::vector<Pair> PackRows(const Bfloat16Matrix& a, int64_t m, int64_t k) {
  const int64_t pairs = PaddedDepth(k) / 2;
  std::vector<Pair> rows(static_cast<size_t>(m * pairs));
  if (!a.transposed) {
    for (int64_t i = 0; i < m; ++i)
      std::memcpy(rows.data() + i * pairs, a.data + i * a.stride, k * sizeof(at::BFloat16));
    return rows;
  }
  at::parallel_for(0, (m + kWidth - 1) / kWidth, 1, [&](int64_t begin, int64_t end) {
    std::vector<Pair> joined(static_cast<size_t>(kWidth * pairs));
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kWidth, count = std::min(kWidth, m - first);
      for (int64_t i = 0; i < pairs; ++i)
        JoinRows(a.data + first, a.stride, 2 * i, k, count, joined.data() + i * count);
      Transpose(joined.data(), count, pairs, count, rows.data() + first * pairs, pairs);
    }
  });
  return rows;
}

}  // namespace

bool MultipliesBfloat16() {
  static const bool found = [] {
    const auto capabilities = at::cpu::get_cpu_capabilities();
    return std::any_of(capabilities.begin(), capabilities.end(), [](const auto& entry) {
      return (entry.first == "avx512_bf16" || entry.first == "amx_bf16") && entry.second.isBool() &&
             entry.second.toBool();
    });
  }();
  return found;
}

void Bfloat16Product(int64_t m, int64_t k, int64_t n, const Bfloat16Matrix& a,
                     const Bfloat16Matrix& b, bool accumulate, float* out_mn, int64_t out_stride) {
  TORCH_CHECK(MultipliesBfloat16(), "Bfloat16Product: found neither AVX512-BF16 nor AMX");
  std::vector<Pair> packed_rows;
  const at::BFloat16* rows = a.data;
  int64_t row_stride = a.stride;
  if (a.transposed || k % kDepthPadding != 0) {
    packed_rows = PackRows(a, m, k);
    rows = reinterpret_cast<const at::BFloat16*>(packed_rows.data());
    row_stride = PaddedDepth(k);
  }
  at::parallel_for(0, (n + kWidth - 1) / kWidth, 1, [&](int64_t begin, int64_t end) {
    std::vector<Pair> block(static_cast<size_t>(kDepth / 2 * kWidth));
    for (int64_t column = begin * kWidth; column < std::min(n, end * kWidth); column += kWidth) {
      const int64_t width = std::min(kWidth, n - column);
      for (int64_t k_begin = 0; k_begin < k; k_begin += kDepth) {
        const int64_t depth = std::min(kDepth, PaddedDepth(k) - k_begin);
        PackBlock(b, k, k_begin, depth, column, width, block.data());
        for (int64_t row = 0; row < m; row += kHeight) {
          at::native::cpublas::brgemm(std::min(kHeight, m - row), width, depth, row_stride, width,
                                      out_stride, accumulate || k_begin > 0,
                                      rows + row * row_stride + k_begin,
                                      reinterpret_cast<const at::BFloat16*>(block.data()),
                                      out_mn + row * out_stride + column);
        }
      }
    }
    at::native::cpublas::brgemm_release();  // AMX's tiles, of this thread
  });
}

}  // namespace deduce
