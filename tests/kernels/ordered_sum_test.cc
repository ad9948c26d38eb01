#include "kernels/ordered_sum.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <vector>

#include "kernels/random.h"

namespace deduce {
namespace {

at::Tensor Normals(int64_t count) {
  at::Tensor values_n = at::empty({count}, at::kFloat);
  FillNormal(RandomStream(1, "ordered_sum"), 0, 1e3, values_n);
  return values_n;
}

TEST(OrderedSumTest, ElementsAreAddedOneAfterAnother) {
  // In double, 1 is lost beside 1e16.
  const auto sum = [](const std::vector<double>& values) {
    return OrderedSum(at::tensor(values, at::kDouble)).item<double>();
  };
  EXPECT_EQ(sum({1e16, -1e16, 1}), 1);
  EXPECT_EQ(sum({1, 1e16, -1e16}), 0);
}

TEST(OrderedSumTest, Fp32ElementsAreAddedInDouble) {
  const at::Tensor values_n = Normals(1000);
  double expected = 0;
  for (int64_t i = 0; i < values_n.numel(); ++i) expected += values_n[i].item<float>();
  const at::Tensor sum = OrderedSum(values_n.clone().requires_grad_(true));
  EXPECT_EQ(sum.scalar_type(), at::kDouble);
  EXPECT_EQ(sum.dim(), 0);
  EXPECT_FALSE(sum.requires_grad());
  EXPECT_EQ(sum.item<double>(), expected);
}

TEST(OrderedSumTest, AViewIsSummedInItsOwnOrder) {
  const at::Tensor values_n = Normals(1000).view({2, 500}).t();
  EXPECT_EQ(OrderedSum(values_n.flatten()).item<double>(), OrderedSum(values_n).item<double>());
}

TEST(OrderedSumTest, WholeNumbersOfAnyTypeHaveASum) {
  EXPECT_EQ(OrderedSum(at::tensor(std::vector<int64_t>{1, 2, 3}, at::kLong)).item<double>(), 6);
}

TEST(MaskedSumTest, IsTheSumOfTheElementsThatAreNotMasked) {
  const at::Tensor values_n = Normals(1000);
  const at::Tensor mask_n = values_n.gt(0);
  EXPECT_EQ(MaskedSum(values_n, mask_n).item<double>(),
            OrderedSum(values_n.masked_select(mask_n)).item<double>());
  EXPECT_EQ(MaskedSum(values_n, values_n.neg()).item<double>(),
            OrderedSum(values_n).item<double>());
  EXPECT_EQ(MaskedSum(values_n.to(at::kLong), values_n.to(at::kLong).gt(0)).item<double>(),
            OrderedSum(values_n.to(at::kLong).clamp_min(0)).item<double>());
}

TEST(MaskedSumTest, NothingSumsToZero) {
  const at::Tensor none_n = at::empty({0}, at::kFloat);
  EXPECT_EQ(MaskedSum(none_n, none_n).item<double>(), 0);
}

TEST(MaskedSumTest, AMaskOfAnotherSizeThrows) {
  EXPECT_THROW(MaskedSum(Normals(3), Normals(2)), c10::Error);
}

}  // namespace
}  // namespace deduce
