#include "kernels/cpu/exact_squares.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <limits>

#include "kernels/exact_sum.h"
#include "kernels/plain/exact_squares.h"
#include "tests/kernels/square_oracle.h"

namespace deduce {
namespace {

double VectorSum(const at::Tensor& values) {
  at::Tensor sum = ZeroExactSum(at::kCPU);
  cpu::AddSquares(values, sum);
  return ExactSumValue(sum);
}

// Whole blocks and rests, numbers that two sums a lane hold and that they do not.
TEST(ExactSquaresTest, VectorsHaveTheExactSum) {
  for (const int64_t count : {1, 15, 16, 2047, 2048, 2049, 3 * 2048 + 5, 140000}) {
    for (const int spread : {0, 5, 12, 25, 60, 148}) {
      const at::Tensor values = SpreadFloats(count, spread, count + spread);
      EXPECT_EQ(VectorSum(values), ExactSquareSum(values)) << count << " of spread " << spread;
    }
  }
}

TEST(ExactSquaresTest, VectorsHaveTheSumOfThePlainForm) {
  const at::Tensor values = SpreadFloats(100000, 148, 1);
  at::Tensor sum = ZeroExactSum(at::kCPU);
  plain::AddSquares(values, sum);
  EXPECT_EQ(VectorSum(values), ExactSumValue(sum));
}

// The first sum of a lane comes closest to the end of its binade.
TEST(ExactSquaresTest, BlocksOfTheLargestNumbersAreExact) {
  const float largest = std::nextafter(2.0f, 0.0f);
  for (const float value :
       {largest, std::numeric_limits<float>::max(), 1.0f, std::numeric_limits<float>::denorm_min(),
        std::numeric_limits<float>::min()}) {
    const at::Tensor values = at::full({4 * 2048}, value, at::kFloat);
    EXPECT_EQ(VectorSum(values), static_cast<double>(value) * value * 4 * 2048) << value;
  }
}

TEST(ExactSquaresTest, OneLargeNumberHidesNoSmallOnes) {
  at::Tensor values = at::full({2048}, 0x1p-30, at::kFloat);
  values[77].fill_(0x1p40);
  EXPECT_EQ(VectorSum(at::cat({values, values})), ExactSquareSum(at::cat({values, values})));
  at::Tensor zeros = at::full({4096}, -0.0, at::kFloat);
  EXPECT_EQ(VectorSum(zeros), 0);
  zeros[4000].fill_(3);
  EXPECT_EQ(VectorSum(zeros), 9);
}

}  // namespace
}  // namespace deduce
