// Root-mean-square normalisation (Zhang and Sennrich 2019, equation 4).
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace deduce {

// x_td [t, d], weight_d [d] -> x / sqrt(mean(x^2) + eps) * weight, row by row; fp32 statistics
// whatever the type of x. A row's bits depend on nothing but the row. Differentiable in both; t may
// be 0.
at::Tensor RmsNorm(const at::Tensor& x_td, const at::Tensor& weight_d, double eps);

// The inputs that RmsNorm computed normed_td from and keeps for backward, without gradients. There
// are none if normed_td is not RmsNorm's fp32 result with a gradient.
struct RmsNormInputs {
  at::Tensor x_td, weight_d;
  double eps;
};
std::optional<RmsNormInputs> InputsOfRmsNorm(const at::Tensor& normed_td);

}  // namespace deduce
