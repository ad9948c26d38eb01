// Sums over the ranks of a group that are part of each of their losses, with gradients.
#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Collective, forward and again in backward, so the result must be part of the loss on every rank;
// the group must outlive backward. values: of the same shape and type on all ranks; returns their
// sum, the same bits on all. Where the ranks' losses add up, the gradient is that of one rank which
// computes the sum itself: every rank gets the sum over ranks of what they give for the result.
// With one member it is the identity.
at::Tensor SharedSum(const at::Tensor& values, Communicator& group);

}  // namespace deduce
