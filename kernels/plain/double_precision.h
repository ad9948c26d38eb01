// The kernels' formulas in fp64 by plain ATen operations: what a kernel does with fp64 operands.
// For telling an error from rounding, with no thought of speed; where kernels round to fp32, models
// in fp64 on two layouts still agree.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/plain/attention_state.h"

namespace deduce::fp64 {

// Each as the kernel of its name, for fp64 tensors, differentiable by autograd.
at::Tensor GroupedMatmul(const at::Tensor& x_ni, const at::Tensor& weight_eoi,
                         const std::vector<int64_t>& rows_per_expert);
at::Tensor RmsNorm(const at::Tensor& x_td, const at::Tensor& weight_d, double eps);
at::Tensor SwiGlu(const at::Tensor& gate_tf, const at::Tensor& up_tf);

// cos_tk and sin_tk [t, width / 2]: of each row's angles. interleaved: element 2i turns with 2i + 1
// and the result is laid out in halves; else i turns with i + width / 2.
at::Tensor Rotate(const at::Tensor& x_thk, const at::Tensor& cos_tk, const at::Tensor& sin_tk,
                  bool interleaved);

// Of contiguous tensors, as in key_block_attention.h and attention_gradient.h: not differentiable.
PartialAttention AttendKeyBlock(const at::Tensor& q_thk, const at::Tensor& k_gxk,
                                const at::Tensor& v_gxv, const KeyRuns& runs, double softmax_scale);
AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale);

}  // namespace deduce::fp64
