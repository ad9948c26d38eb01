// AddSquares of exact_sum.h for fp32 on the CPU, in vectors.
#pragma once

#include <ATen/core/Tensor.h>

namespace deduce::cpu {

void AddSquares(const at::Tensor& values, at::Tensor& sum);

}  // namespace deduce::cpu
