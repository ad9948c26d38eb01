// Products of bf16 matrices with fp32 sums on CPUs that multiply bf16: by the micro-kernels of
// oneDNN inside LibTorch, over blocks that are packed here. (MKL, which has such a product, leaves
// AVX512-BF16 unused on CPUs that are not Intel's.)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace deduce {

// Whether this CPU has AVX512-BF16 or AMX.
bool MultipliesBfloat16();

// A matrix in memory: rows `stride` elements apart, or, transposed, columns.
struct Bfloat16Matrix {
  const at::BFloat16* data;
  int64_t stride;
  bool transposed;
};

// out_mn = a_mk b_kn, or += with accumulate; out_mn row-major with rows `out_stride` apart. m, k, n
// > 0. An element's bits depend on its row of a, its column of b and k alone. c10::Error unless
// MultipliesBfloat16().
void Bfloat16Product(int64_t m, int64_t k, int64_t n, const Bfloat16Matrix& a,
                     const Bfloat16Matrix& b, bool accumulate, float* out_mn, int64_t out_stride);

}  // namespace deduce
