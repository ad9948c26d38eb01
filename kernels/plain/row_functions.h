// Functions of single rows in ATen operations, for any floating type and device, differentiable by
// autograd: the oracle of the kernels' tests, and what computes where a kernel has no faster form.
#pragma once

#include <ATen/core/Tensor.h>

namespace deduce::plain {

// Each as the kernel of its name, without its checks.
at::Tensor RmsNorm(const at::Tensor& x_td, const at::Tensor& weight_d, double eps);
at::Tensor SwiGlu(const at::Tensor& gate_tf, const at::Tensor& up_tf);

// cos_tk and sin_tk [t, width / 2]: of each row's angles. interleaved: element 2i turns with 2i + 1
// and the result is laid out in halves; else i turns with i + width / 2.
at::Tensor Rotate(const at::Tensor& x_thk, const at::Tensor& cos_tk, const at::Tensor& sin_tk,
                  bool interleaved);

}  // namespace deduce::plain
