// Products of rounded operands, and one product an expert, in ATen operations for any device: the
// oracle of the kernels' tests, and what computes where a product has no faster form.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace deduce::plain {

// out_mn = a_mk b_kn, or += with accumulate, in out's type: operands of fewer bits are widened,
// which is exact, so products and their sums are rounded to out's type alone. Not differentiable.
void MatmulInto(const at::Tensor& out_mn, const at::Tensor& a_mk, const at::Tensor& b_kn,
                bool accumulate);

// As the kernel GroupedMatmul, operands of one type, differentiable by autograd.
at::Tensor GroupedMatmul(const at::Tensor& x_ni, const at::Tensor& weight_eoi,
                         const std::vector<int64_t>& rows_per_expert);

}  // namespace deduce::plain
