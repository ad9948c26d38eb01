// Attention in ATen operations, for any floating type and device: the oracle of the kernels' tests,
// and what computes where a kernel has no faster form. Lists of numbers are on the host, tensors on
// one device.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/plain/attention_state.h"

namespace deduce::plain {

// Each as the kernel of its name in key_block_attention.h, without its checks. Not differentiable.
PartialAttention AttendKeyBlock(const at::Tensor& q_thk, const at::Tensor& k_gxk,
                                const at::Tensor& v_gxv, const KeyRuns& runs, double softmax_scale);
AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale);
void MergeAttention(PartialAttention& sum, const PartialAttention& block);

// As those of causal_attention.h, without their checks.
at::Tensor CachedAttention(const at::Tensor& q_thk, const at::Tensor& k_cache_spgk,
                           const at::Tensor& v_cache_spgv, const std::vector<int64_t>& slots,
                           const std::vector<int64_t>& positions, double softmax_scale);
void WriteCacheRows(at::Tensor& cache_spgk, const at::Tensor& rows_tgk,
                    const std::vector<int64_t>& slots, const std::vector<int64_t>& positions);

}  // namespace deduce::plain
