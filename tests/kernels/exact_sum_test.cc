#include "kernels/exact_sum.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randperm.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/kernels/square_oracle.h"

namespace deduce {
namespace {

double SumOfSquares(const at::Tensor& values) {
  at::Tensor sum = ZeroExactSum(at::kCPU);
  AddSquares(values, sum);
  return ExactSumValue(sum);
}

at::Tensor Doubles(const std::vector<double>& values) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(values.size())}, at::kDouble);
  std::copy(values.begin(), values.end(), tensor.data_ptr<double>());
  return tensor;
}

TEST(ExactSumTest, TheSumIsRoundedOnceAndOnlyAtTheEnd) {
  // 2^53 and 1, 1: one by one, in doubles, either 1 is lost.
  EXPECT_EQ(SumOfSquares(Doubles({0x1p27, 1, 1, 0x1p26 * std::sqrt(2.0)})),
            SumOfSquares(Doubles({1, 0x1p26 * std::sqrt(2.0), 1, 0x1p27})));
  EXPECT_EQ(SumOfSquares(Doubles({0x1p27, 1, 1})), 0x1p54 + 0);
  EXPECT_EQ(SumOfSquares(Doubles({0x1p27, 1, 1, 1, 1})), 0x1p54 + 4);
  EXPECT_EQ(SumOfSquares(Doubles({})), 0);
}

// A tie goes to the even neighbour, unless the smallest thing lies on its upper side.
TEST(ExactSumTest, TiesAreDecidedByAllDigits) {
  const double root = 0x1p26;                                        // of 2^52
  EXPECT_EQ(SumOfSquares(Doubles({root, 0x1p-1, 0x1p-1})), 0x1p52);  // and a half
  EXPECT_EQ(SumOfSquares(Doubles({root, 0x1p-1, 0x1p-1, 0x1p-530})), 0x1p52 + 1);
}

TEST(ExactSumTest, HoldsTheWholeRangeOfDoubles) {
  const double tiny = std::ldexp(1.0, -537);  // its square is the smallest double
  EXPECT_EQ(SumOfSquares(Doubles({tiny, tiny, tiny})),
            3 * std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(SumOfSquares(Doubles({0x1p511, 0x1p511})), 0x1p1023);
  EXPECT_EQ(SumOfSquares(Doubles(std::vector<double>(4, 0x1p511))),
            std::numeric_limits<double>::infinity());
}

TEST(ExactSumTest, ANumberThatIsNotFiniteMakesTheSumNaN) {
  for (const double bad : {std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity(), std::nan("")}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble, at::kBFloat16}) {
      at::Tensor values = at::full({5000}, 1.0, type);
      values[4321].fill_(bad);
      EXPECT_TRUE(std::isnan(SumOfSquares(values))) << bad << " " << type;
    }
  }
}

TEST(ExactSumTest, OrderAndSplitChangeNothing) {
  for (const int spread : {2, 20, 140}) {
    const at::Tensor values = SpreadFloats(10007, spread, spread);
    const double expected = SumOfSquares(values);
    EXPECT_EQ(expected, ExactSquareSum(values)) << spread;
    std::mt19937 random(spread);
    for (int parts = 1; parts <= 8; ++parts) {
      const at::Tensor shuffled = values.index_select(0, at::randperm(values.numel()));
      std::vector<at::Tensor> sums(parts, ZeroExactSum(at::kCPU));
      for (at::Tensor& sum : sums) sum = sum.clone();
      for (int64_t begin = 0; begin < values.numel();) {
        const int64_t count = std::min<int64_t>(random() % 3000, values.numel() - begin);
        AddSquares(shuffled.narrow(0, begin, count), sums[random() % parts]);
        begin += count;
      }
      at::Tensor total = ZeroExactSum(at::kCPU);
      for (const at::Tensor& sum : sums) total += sum;
      EXPECT_EQ(ExactSumValue(total), expected) << spread << " in " << parts;
    }
  }
}

TEST(ExactSumTest, WrongSumsAreProgrammingErrors) {
  at::Tensor short_sum = at::full({3}, 0, at::kLong);
  EXPECT_THROW(AddSquares(at::full({2}, 1.0), short_sum), c10::Error);
  EXPECT_THROW(
      ExactSumValue(ZeroExactSum(at::kCPU).sub(1).index_fill(0, at::full({1}, 68, at::kLong), 0)),
      c10::Error)
      << "a negative number";
}

}  // namespace
}  // namespace deduce
