// The complementary sequence-wise balance loss (DeepSeek-V3 report, equations 17 to 20).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace deduce {

// Sum over the sequences of sum_i f_i P_i, a scalar fp32, without its weight alpha. f_i is experts
// / (top_k * length) times the choices of expert i in the sequence (no gradient), P_i the
// sequence's mean of affinity_i / sum of affinities. A sequence with even choices adds exactly 1.
// affinity_te fp32 [t, experts], expert_tk int64 [t, k]; sequence_starts: first 0, last t.
// Differentiable in the affinities.
at::Tensor SequenceBalanceLoss(const at::Tensor& affinity_te, const at::Tensor& expert_tk,
                               const std::vector<int64_t>& sequence_starts);

}  // namespace deduce
