#include "kernels/host_values.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cstdint>

namespace deduce {
namespace {

TEST(HostValuesTest, ElementsComeInOrderOfIndexWhateverTheStrides) {
  const at::Tensor values = at::arange(6, at::kFloat).view({2, 3}).t();
  EXPECT_EQ(HostValues<float>(values), (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

TEST(HostValuesTest, ElementsAreConverted) {
  const at::Tensor values = at::arange(3, at::kInt);
  EXPECT_EQ(HostValues<double>(values), (std::vector<double>{0, 1, 2}));
  EXPECT_EQ(HostValues<int64_t>(values), (std::vector<int64_t>{0, 1, 2}));
}

TEST(HostValuesTest, OneThatNeedsAGradientCanBeRead) {
  const at::Tensor value = at::arange(2, at::kFloat).requires_grad_(true);
  EXPECT_EQ(HostValues<float>(value), (std::vector<float>{0, 1}));
}

TEST(HostValuesTest, NoElementsAreNoValues) {
  EXPECT_TRUE(HostValues<float>(at::empty({0}, at::kFloat)).empty());
}

}  // namespace
}  // namespace deduce
