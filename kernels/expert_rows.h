// Token rows in the order of their experts, and back. A token's numbers, and those of its
// gradients, are sums over its own choices in routing order: which other tokens are there leaves
// its bits alone.
#pragma once

#include "kernels/plain/routing.h"

namespace deduce {

// expert_tk int64 [t, k]. On the CPU an expert outside 0..num_experts-1 throws c10::Error.
ExpertOrder OrderByExpert(const at::Tensor& expert_tk, int64_t num_experts);

// x_td [t, d] -> [t * k, d]: row row_tk[i][j] is a copy of x_td[i]. Differentiable.
at::Tensor GatherRows(const at::Tensor& x_td, const at::Tensor& row_tk);

// rows_nd [t * k, d], gate_tk [t, k] -> [t, d]: the sum over j, ascending, of
// gate_tk[i][j] * rows_nd[row_tk[i][j]]. Differentiable in rows and gates.
at::Tensor CombineRows(const at::Tensor& rows_nd, const at::Tensor& gate_tk,
                       const at::Tensor& row_tk);

}  // namespace deduce
