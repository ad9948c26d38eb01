// Rows divided among the ranks of a group: gathers them on all ranks, and scatters sums back, with
// gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Both are collective, forward and again in backward, so the result must be part of the loss on
// every rank, also where it has no rows; the group must outlive backward. With one member they are
// the identity. rows_of_rank: how many rows each rank holds, the same on all.

// rows [rows_of_rank[rank], ...] -> the rows of all ranks in rank order. The gradient of a row is
// the sum of what all ranks give for it (Megatron-LM's g, Korthikanti et al. 2022, section 4.2.2).
at::Tensor AllGatherRows(const at::Tensor& rows, const std::vector<int64_t>& rows_of_rank,
                         Communicator& group);

// rows [sum of rows_of_rank, ...] -> this rank's rows of the sum over ranks, added in one order on
// all. The gradient of every rank's rows is the whole sum's.
at::Tensor ReduceScatterRows(const at::Tensor& rows, const std::vector<int64_t>& rows_of_rank,
                             Communicator& group);

}  // namespace deduce
