#include "parallel/reduce/gradient_tree.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "parallel/communicator/communicator.h"
#include "tests/testing/same_bits.h"

namespace deduce {
namespace {

// Gradients of widely different sizes, so that every order of addition has its own rounding.
std::vector<at::Tensor> RoughGradients(int64_t num_micro_batches) {
  std::mt19937_64 random(num_micro_batches);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> exponent(-6, 6);
  std::vector<at::Tensor> gradients;
  for (int64_t m = 0; m < num_micro_batches; ++m) {
    gradients.push_back(at::empty({70}, at::kFloat));
    for (int i = 0; i < 70; ++i)
      gradients[m].data_ptr<float>()[i] = std::ldexp(normal(random), exponent(random));
  }
  return gradients;
}

// Buffers are overwritten as soon as they are free, as in training.
at::Tensor ClassSum(const std::vector<at::Tensor>& gradients, int64_t residue, int64_t modulus) {
  const int64_t num_micro_batches = static_cast<int64_t>(gradients.size());
  GradientTree tree(num_micro_batches, residue, modulus);
  std::vector<at::Tensor> free;
  for (const int64_t m : TreeOrder(num_micro_batches, residue, modulus)) {
    at::Tensor leaf = gradients[m].clone();
    if (!free.empty()) {
      leaf = free.back().copy_(gradients[m]);
      free.pop_back();
    }
    tree.Add(std::move(leaf), free);
  }
  return tree.Finish();
}

TEST(GradientTreeTest, ClassesCombineToTheBitsOfTreeSum) {
  for (int64_t num_micro_batches = 1; num_micro_batches <= 17; ++num_micro_batches) {
    const std::vector<at::Tensor> gradients = RoughGradients(num_micro_batches);
    const at::Tensor expected = TreeSum(gradients);
    for (const int64_t modulus : {1, 2, 4}) {
      std::vector<at::Tensor> present;
      for (int64_t residue = 0; residue < modulus; ++residue) {
        const at::Tensor sum = ClassSum(gradients, residue, modulus);
        EXPECT_EQ(sum.defined(), residue < num_micro_batches);
        if (sum.defined()) present.push_back(sum);
      }
      EXPECT_TRUE(SameBits(TreeSum(present), expected))
          << num_micro_batches << " in " << modulus << " classes";
    }
  }
}

TEST(GradientTreeTest, ALastLeafThatIsMergedInPartsLeavesTheBitsAlone) {
  for (int64_t num_micro_batches = 1; num_micro_batches <= 17; ++num_micro_batches) {
    const std::vector<at::Tensor> gradients = RoughGradients(num_micro_batches);
    GradientTree tree(num_micro_batches, 0, 2);
    std::vector<at::Tensor> free;
    for (const int64_t m : TreeOrder(num_micro_batches, 0, 2)) {
      if (!tree.at_last()) {
        tree.Add(gradients[m].clone(), free);
        continue;
      }
      at::Tensor last = at::zeros({70});
      const at::Tensor sum = tree.AddLast(last);
      for (const auto& [begin, end] : {std::pair(50, 70), std::pair(0, 20), std::pair(20, 50)}) {
        last.narrow(0, begin, end - begin).copy_(gradients[m].narrow(0, begin, end - begin));
        tree.MergeLast(begin, end);
        const at::Tensor expected = ClassSum(gradients, 0, 2).narrow(0, begin, end - begin);
        EXPECT_TRUE(SameBits(sum.narrow(0, begin, end - begin), expected));
      }
    }
    EXPECT_TRUE(SameBits(tree.Finish(), ClassSum(gradients, 0, 2))) << num_micro_batches;
  }
}

TEST(GradientTreeTest, ThreeClassesHoldEveryMicroBatchOnce) {
  std::vector<int64_t> all;
  for (int64_t residue = 0; residue < 3; ++residue) {
    for (const int64_t m : TreeOrder(20, residue, 3)) {
      EXPECT_EQ(m % 3, residue);
      all.push_back(m);
    }
  }
  std::sort(all.begin(), all.end());
  for (int64_t m = 0; m < 20; ++m) EXPECT_EQ(all.at(m), m);
}

TEST(GradientTreeTest, KeepsTheSignOfZero) {
  const std::vector<at::Tensor> gradients = {at::full({70}, -0.0f)};
  EXPECT_TRUE(SameBits(ClassSum(gradients, 0, 2), gradients[0]));
}

TEST(GradientTreeTest, OrderIsThatOfTheDefinition) {
  EXPECT_EQ(TreeOrder(5, 0, 1), (std::vector<int64_t>{0, 4, 2, 1, 3}));
  EXPECT_EQ(TreeOrder(5, 0, 2), (std::vector<int64_t>{0, 4, 2}));
  EXPECT_EQ(TreeOrder(5, 3, 4), (std::vector<int64_t>{3}));
  EXPECT_EQ(TreeOrder(0, 0, 1), std::vector<int64_t>{});
}

TEST(GradientTreeTest, OrderHoldsExactlyTheMembersOfTheClass) {
  for (int64_t residue = 0; residue < 8; ++residue) {
    std::vector<int64_t> order = TreeOrder(100, residue, 8);
    std::sort(order.begin(), order.end());
    std::vector<int64_t> expected;
    for (int64_t m = residue; m < 100; m += 8) expected.push_back(m);
    EXPECT_EQ(order, expected);
  }
}

TEST(GradientTreeTest, WrongUseIsAProgrammingError) {
  EXPECT_THROW(TreeOrder(4, 0, 0), c10::Error);
  EXPECT_THROW(TreeOrder(4, 2, 2), c10::Error);
  GradientTree tree(2, 0, 1);
  std::vector<at::Tensor> free;
  tree.Add(at::zeros({3}), free);
  EXPECT_THROW(tree.Finish(), c10::Error);
  EXPECT_THROW(tree.Add(at::zeros({1}), free), c10::Error);
  tree.Add(at::zeros({3}), free);
  EXPECT_THROW(tree.Add(at::zeros({3}), free), c10::Error);
}

}  // namespace
}  // namespace deduce
