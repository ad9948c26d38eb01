// Matrix product with a weight whose rows are independent: the bits of a row of the result do not
// depend on how many rows there are, so a token has the same numbers in a rollout, in a packed
// micro-batch and alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/matmul.h"

namespace deduce {

// x_ti [t, in] with rows of zeros up to a multiple of kRowPadding; itself if it has as many. What
// every product of rows is made of.
at::Tensor PadRows(const at::Tensor& x_ti);

// x_ti [t, in] * weight_oi [out, in]^T -> [t, out]; fp32 or fp64 all, on one device, t may be 0.
// Differentiable in both. `type` is that of the operands of this product and of those of its
// gradients. For kBfloat16 the weight may be a bf16 copy, which has no gradient and saves rounding
// it at every call. Throws c10::Error on a shape or type that does not fit.
at::Tensor Linear(const at::Tensor& x_ti, const at::Tensor& weight_oi,
                  ComputeType type = ComputeType::kFloat32);

// The same with each of the weights, as one step: x is rounded and kept once, and its gradient is
// added up over the weights in their order.
std::vector<at::Tensor> LinearEach(const at::Tensor& x_ti, const std::vector<at::Tensor>& weights,
                                   ComputeType type = ComputeType::kFloat32);

}  // namespace deduce
