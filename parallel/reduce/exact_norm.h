// The norm of numbers divided among ranks, with the same bits for every division.
#pragma once

#include <ATen/core/Tensor.h>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Collective. Square root of the sum over ranks of `squares`, exact sums as kernels/exact_sum.h has
// them: the exact sum is rounded once to a double, and its root once more. NaN on all ranks if one
// of them met a number that is not finite. One AllReduce of kExactSumWords integers.
double ExactNorm(const at::Tensor& squares, Communicator& ranks);

}  // namespace deduce
