// The complementary sequence-wise balance loss (DeepSeek-V3 report, equations 17 to 20).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace deduce {

// How often the tokens of each sequence choose each expert: expert_tk int64 [t, k] -> int64
// [sequences, experts]. sequence_starts: first 0, last t.
at::Tensor SequenceLoad(const at::Tensor& expert_tk, int64_t num_experts,
                        const std::vector<int64_t>& sequence_starts);

// Sum over the sequences of sum_i f_i P_i, a scalar of the affinities' type, without its weight
// alpha. f_i is experts / (top_k * length) times the choices of expert i in the sequence (no
// gradient), P_i the sequence's mean of affinity_i / sum of affinities. A sequence with even
// choices adds exactly 1. affinity_te fp32 or fp64 [t, experts]; load_se: SequenceLoad of whole
// sequences. Where a rank has a part of each sequence, load_se is the sum over parts, and so is the
// loss. Differentiable in the affinities.
at::Tensor SequenceBalanceLoss(const at::Tensor& affinity_te, int64_t top_k,
                               const at::Tensor& load_se,
                               const std::vector<int64_t>& sequence_starts);

}  // namespace deduce
