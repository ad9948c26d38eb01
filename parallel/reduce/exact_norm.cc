#include "parallel/reduce/exact_norm.h"

#include <cmath>

#include "kernels/exact_sum.h"

namespace deduce {

double ExactNorm(const at::Tensor& squares, Communicator& ranks) {
  at::Tensor sum = squares.clone();
  ranks.AllReduce(sum, Reduction::kSum);
  return std::sqrt(ExactSumValue(sum));
}

}  // namespace deduce
