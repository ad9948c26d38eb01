// The gated activation of SwiGLU (Shazeer 2020, equation 6), without its projections.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace deduce {

// silu(gate_tf) * up_tf, both [t, f]. A row's bits depend on nothing but the row. Differentiable in
// both; t may be 0.
at::Tensor SwiGlu(const at::Tensor& gate_tf, const at::Tensor& up_tf);

// The inputs that SwiGlu computed out_tf from and keeps for backward, without gradients. There are
// none if out_tf is not SwiGlu's fp32 result with a gradient.
struct SwiGluInputs {
  at::Tensor gate_tf, up_tf;
};
std::optional<SwiGluInputs> InputsOfSwiGlu(const at::Tensor& out_tf);

}  // namespace deduce
