// Attention over a block of keys in fp32 on the CPU, vectorised: as the kernels of these names in
// kernels/key_block_attention.h, without their checks.
#pragma once

#include "kernels/plain/attention_state.h"

namespace deduce::cpu {

PartialAttention AttendKeyBlock(const at::Tensor& q_thk, const at::Tensor& k_gxk,
                                const at::Tensor& v_gxv, const KeyRuns& runs, double softmax_scale);
void MergeAttention(PartialAttention& sum, const PartialAttention& block);

}  // namespace deduce::cpu
