#include "parallel/reduce/exact_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/exact_sum.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

at::Tensor Values() {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-60, 60);
  at::Tensor values = at::empty({20000}, at::kFloat);
  for (int64_t i = 0; i < values.numel(); ++i)
    values.data_ptr<float>()[i] = std::ldexp(normal(random), exponent(random));
  return values;
}

at::Tensor SquaresOf(const at::Tensor& values) {
  at::Tensor squares = ZeroExactSum(at::kCPU);
  AddSquares(values, squares);
  return squares;
}

TEST(ExactNormTest, HasTheSameBitsOnAnyNumberOfRanks) {
  const at::Tensor values = Values();
  const double expected = std::sqrt(ExactSumValue(SquaresOf(values)));
  for (int num_ranks = 1; num_ranks <= 8; ++num_ranks) {
    RunRanks(num_ranks, [&](Communicator& world) {
      const int64_t begin = values.numel() * world.rank() / num_ranks;
      const int64_t end = values.numel() * (world.rank() + 1) / num_ranks;
      EXPECT_EQ(ExactNorm(SquaresOf(values.narrow(0, begin, end - begin)), world), expected);
      const at::Tensor strided =
          values.slice(0, world.rank(), values.numel(), num_ranks).contiguous();
      EXPECT_EQ(ExactNorm(SquaresOf(strided), world), expected);
    });
  }
}

TEST(ExactNormTest, IsNaNOnAllRanksIfOneHasANumberThatIsNotFinite) {
  RunRanks(3, [](Communicator& world) {
    const double value = world.rank() == 1 ? INFINITY : 1;
    EXPECT_TRUE(std::isnan(ExactNorm(SquaresOf(at::full({4}, value, at::kFloat)), world)));
  });
}

TEST(ExactNormTest, ARankSendsLessThanAKilobyte) {
  EXPECT_LT(ZeroExactSum(at::kCPU).nbytes(), 1024u);
}

}  // namespace
}  // namespace deduce
