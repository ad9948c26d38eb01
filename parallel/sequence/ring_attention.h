// Attention over keys divided among the ranks of a group: the parts go round in a ring while each
// rank computes with the one it has (Ring Attention, Liu et al. 2023, arXiv 2310.01889).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "kernels/plain/attention_state.h"
#include "parallel/communicator/communicator.h"

namespace deduce {

// Collective, forward and again in backward, so the result must be part of the loss on every rank,
// also where it has no rows; group and runs must outlive backward. This rank's rows q_thk
// [t, heads, k], k_tgk [t, kv_heads, k] and v_tgv [t, kv_heads, v], of one type on all ranks, fp32
// or fp64 -> [t, heads, v]. Ranks may have other numbers of rows, also none. runs_of_rank: for each
// rank of the group, what the queries here see of its keys; else c10::Error. Differentiable in q, k
// and v. Between forward and backward it keeps them, the result and the softmax denominators, and
// no other rank's keys. Blocks are added up in the order in which they come, this rank's first,
// then those of the ranks before it, so one group gives the same bits again; they are not those of
// CausalAttention over all keys.
at::Tensor RingAttention(const at::Tensor& q_thk, const at::Tensor& k_tgk, const at::Tensor& v_tgv,
                         const std::vector<KeyRuns>& runs_of_rank, double softmax_scale,
                         Communicator& group);

}  // namespace deduce
