// Matrix product with a weight whose rows are independent: the bits of a row of the result do not
// depend on how many rows there are, so a token has the same numbers in a rollout, in a packed
// micro-batch and alone.
#pragma once

#include <ATen/core/Tensor.h>

namespace deduce {

// Rows are zero-padded to a multiple of this before any matrix product (DESIGN.md, Numerics).
inline constexpr int64_t kRowPadding = 16;

// x_ti [t, in] * weight_oi [out, in]^T -> [t, out]; fp32 or bf16, t may be 0. Differentiable in
// both. Throws c10::Error on a shape or type that does not fit.
at::Tensor Linear(const at::Tensor& x_ti, const at::Tensor& weight_oi);

}  // namespace deduce
