// Which form of a kernel computes. Every kernel has a plain form in ATen operations
// (kernels/plain), for any floating type and any device of LibTorch; some have a faster one for
// tensors of one kind.
#pragma once

#include <ATen/core/Tensor.h>

namespace deduce {

// Whether the CPU's vectorised form takes x: fp32 in the CPU's memory. Where it does not, the plain
// form computes.
inline bool HasCpuForm(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

}  // namespace deduce
