#include "kernels/plain/exact_squares.h"

#include <gtest/gtest.h>

#include "kernels/exact_sum.h"
#include "tests/kernels/square_oracle.h"

namespace deduce {
namespace {

double PlainSum(const at::Tensor& values) {
  at::Tensor sum = ZeroExactSum(at::kCPU);
  plain::AddSquares(values, sum);
  return ExactSumValue(sum);
}

TEST(PlainExactSquaresTest, HasTheExactSumOfFloatsOfAnySize) {
  for (const int spread : {0, 10, 148}) {
    const at::Tensor values = SpreadFloats(5000, spread, spread);
    EXPECT_EQ(PlainSum(values), ExactSquareSum(values)) << spread;
    EXPECT_EQ(PlainSum(values.view({50, 100}).t()), ExactSquareSum(values)) << spread;
    EXPECT_EQ(PlainSum(values.to(at::kDouble)), ExactSquareSum(values)) << spread;
  }
}

}  // namespace
}  // namespace deduce
