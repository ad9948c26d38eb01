#include "parallel/reduce/exact_norm.h"

#include <cmath>

#include "kernels/exact_sum.h"

namespace deduce {

double ExactNorm(const at::Tensor& squares, Communicator& ranks) {
  // The one read of the norm: a few words, which the world adds on the host.
  at::Tensor sum = squares.to(at::kCPU, at::kLong, /*non_blocking=*/false, /*copy=*/true);
  ranks.AllReduce(sum, Reduction::kSum);
  return std::sqrt(ExactSumValue(sum));
}

}  // namespace deduce
