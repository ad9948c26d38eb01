// The gated activation of SwiGLU (Shazeer 2020, equation 6), without its projections.
#pragma once

#include <ATen/core/Tensor.h>

namespace deduce {

// silu(gate_tf) * up_tf, both [t, f]. A row's bits depend on nothing but the row. Differentiable in
// both; t may be 0.
at::Tensor SwiGlu(const at::Tensor& gate_tf, const at::Tensor& up_tf);

}  // namespace deduce
