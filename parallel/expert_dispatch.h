// Tokens to the ranks of their experts and back, with gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "parallel/communicator.h"

namespace deduce {

// Collective (forward, and again in backward). AllToAll of rows that is differentiable in `rows`:
// the gradient travels the opposite way. Counts as in Communicator::AllToAll. With one member it is
// the identity. The group must outlive backward, and the result must be part of the loss on every
// rank, also where it has no rows: else the others wait for it in backward.
at::Tensor DispatchRows(const at::Tensor& rows, const std::vector<int64_t>& send_rows,
                        const std::vector<int64_t>& recv_rows, Communicator& group);

}  // namespace deduce
