// Matrix products in fp32 or in bf16: the one place that knows in which type operands are
// multiplied.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace deduce {

// The type of the operands. Sums and results are fp32 either way. In fp64 models, which tell errors
// from rounding, operands, sums and results are fp64 with both.
enum class ComputeType {
  kFloat32,
  kBfloat16,  // operands rounded to the nearest bf16, ties to even
};

// The type that a product of x uses: fp64 operands are not rounded.
inline ComputeType ComputeTypeFor(const at::Tensor& x, ComputeType type) {
  return x.scalar_type() == at::kDouble ? ComputeType::kFloat32 : type;
}

// Whether products of bf16 operands are quicker there than of fp32.
bool GainsFromBfloat16(const at::Device& device);

// Rows are zero-padded to a multiple of this before any matrix product (docs/design/numerics.md).
inline constexpr int64_t kRowPadding = 16;
inline int64_t PaddedRows(int64_t rows) {
  return (rows + kRowPadding - 1) / kRowPadding * kRowPadding;
}

// `x` as an operand: itself, or its bf16 copy for kBfloat16 (itself when it is bf16 already). No
// gradient flows through the copy.
at::Tensor AsOperand(const at::Tensor& x, ComputeType type);

// Whether a product of `type` takes this weight: fp32, or a bf16 copy of one for kBfloat16.
bool IsWeight(const at::Tensor& weight, ComputeType type);

// out_mn = a_mk b_kn, or out_mn += with `accumulate`, all on one device. out_mn fp32, contiguous; a
// and b operands of `type`, each contiguous or the transpose of a contiguous matrix; or, with
// kFloat32, all fp64. Sizes may be 0. Not differentiable. Anything else throws c10::Error.
void MatmulInto(const at::Tensor& out_mn, const at::Tensor& a_mk, const at::Tensor& b_kn,
                ComputeType type, bool accumulate = false);

// The same into a new tensor.
at::Tensor Matmul(const at::Tensor& a_mk, const at::Tensor& b_kn, ComputeType type);

}  // namespace deduce
