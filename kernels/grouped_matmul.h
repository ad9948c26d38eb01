// One matrix product per expert over rows sorted by expert.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/matmul.h"

namespace deduce {

// Rows of x_ni [n, in] are sorted by expert; rows_per_expert has one count per expert, adding up to
// n; weight_eoi is [experts, out, in]. Returns [n, out]: the rows of expert e times
// weight_eoi[e]^T, with the row bits of Linear, whose rule for `type` and a bf16 weight holds here
// too. Differentiable in both; an expert without rows has a zero weight gradient.
at::Tensor GroupedMatmul(const at::Tensor& x_ni, const at::Tensor& weight_eoi,
                         const std::vector<int64_t>& rows_per_expert,
                         ComputeType type = ComputeType::kFloat32);

}  // namespace deduce
