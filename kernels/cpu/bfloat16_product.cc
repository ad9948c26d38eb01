#include "kernels/cpu/bfloat16_product.h"

#include <ATen/Parallel.h>
#include <ATen/core/ivalue.h>
#include <ATen/cpu/Utils.h>
#include <ATen/cpu/vec/vec.h>
#include <ATen/native/CPUBlas.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace deduce {
namespace {

// A block of b: kDepth of its rows, kWidth columns. It stays in the second-level cache while all
// rows of a, kHeight at a time, are multiplied with it.
constexpr int64_t kHeight = 64, kWidth = 64, kDepth = 1024;
// Threads share about so many items of work at least, of kCut rows or more.
constexpr int64_t kEvenItems = 16, kCut = 256;
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
  const at::BFloat16* lower = first + 1 < rows ? upper + stride : nullptr;
  constexpr int kRun = 16;  // the compiler makes vectors of a loop whose count it knows
  int64_t i = 0;
  for (; lower != nullptr && i + kRun <= count; i += kRun) {
    const at::BFloat16 *up = upper + i, *low = lower + i;
    Pair* pairs = to + i;
    for (int j = 0; j < kRun; ++j)
      pairs[j] = static_cast<Pair>(up[j].x) | static_cast<Pair>(low[j].x) << 16;
  }
  for (; i < count; ++i)
    to[i] = first < rows ? LoadPair(upper + i, lower == nullptr ? nullptr : lower + i) : 0;
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
  // As pairs where they lie; one by one where they lie at odd places.
  const bool aligned = b.stride % 2 == 0 && reinterpret_cast<uintptr_t>(from) % sizeof(Pair) == 0;
  const int64_t pairs = aligned ? std::min(depth, k - k_begin) / 2 : 0;
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
at::Tensor PackRows(const Bfloat16Matrix& a, int64_t m, int64_t k) {
  const int64_t pairs = PaddedDepth(k) / 2;
  const at::Tensor packed = at::empty({m, PaddedDepth(k)}, at::kBFloat16);
  auto* rows = static_cast<Pair*>(packed.data_ptr());
  if (!a.transposed) {
    for (int64_t i = 0; i < m; ++i) {
      auto* row = reinterpret_cast<char*>(rows + i * pairs);
      const size_t bytes = k * sizeof(at::BFloat16);
      std::memcpy(row, a.data + i * a.stride, bytes);
      std::memset(row + bytes, 0, pairs * sizeof(Pair) - bytes);
    }
    return packed;
  }
  at::parallel_for(0, (m + kWidth - 1) / kWidth, 1, [&](int64_t begin, int64_t end) {
    std::vector<Pair> joined(static_cast<size_t>(kWidth * pairs));
    for (int64_t block = begin; block < end; ++block) {
      const int64_t first = block * kWidth, count = std::min(kWidth, m - first);
      for (int64_t i = 0; i < pairs; ++i)
        JoinRows(a.data + first, a.stride, 2 * i, k, count, joined.data() + i * count);
      Transpose(joined.data(), count, pairs, count, rows + first * pairs, pairs);
    }
  });
  return packed;
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
  at::Tensor packed_rows;
  const at::BFloat16* rows = a.data;
  int64_t row_stride = a.stride;
  if (a.transposed || k % kDepthPadding != 0) {
    packed_rows = PackRows(a, m, k);
    rows = packed_rows.const_data_ptr<at::BFloat16>();
    row_stride = PaddedDepth(k);
  }
  // Few runs of columns are no even work for threads, so rows are cut too; each cut packs b's
  // blocks once more.
  const int64_t runs = (n + kWidth - 1) / kWidth, most_cuts = std::max<int64_t>(1, m / kCut);
  const int64_t cuts =
      at::get_num_threads() == 1 ? 1 : std::clamp<int64_t>(kEvenItems / runs, 1, most_cuts);
  const int64_t cut_rows = (m + cuts * kHeight - 1) / (cuts * kHeight) * kHeight;
  at::parallel_for(0, runs * cuts, 1, [&](int64_t begin, int64_t end) {
    std::vector<Pair> block(static_cast<size_t>(kDepth / 2 * kWidth));
    for (int64_t item = begin; item < end; ++item) {
      const int64_t column = item / cuts * kWidth, width = std::min(kWidth, n - column);
      const int64_t first_row = item % cuts * cut_rows, end_row = std::min(m, first_row + cut_rows);
      for (int64_t k_begin = 0; k_begin < k; k_begin += kDepth) {
        const int64_t depth = std::min(kDepth, PaddedDepth(k) - k_begin);
        PackBlock(b, k, k_begin, depth, column, width, block.data());
        for (int64_t row = first_row; row < end_row; row += kHeight) {
          at::native::cpublas::brgemm(std::min(kHeight, end_row - row), width, depth, row_stride,
                                      width, out_stride, accumulate || k_begin > 0,
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
