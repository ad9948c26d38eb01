// AddSquares of exact_sum.h by ATen operations: any floating type, any device.
#pragma once

#include <ATen/core/Tensor.h>

namespace deduce::plain {

void AddSquares(const at::Tensor& values, at::Tensor& sum);

}  // namespace deduce::plain
