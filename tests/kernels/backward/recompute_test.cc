#include "kernels/backward/recompute.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "kernels/backward/weight_gradient.h"
#include "kernels/linear.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

struct Gradients {
  at::Tensor output, of_x, of_weight;
  int calls = 0;
};

// Of y = x + f(x) with f(x) = linear(x squared).
Gradients Train(bool recompute, bool deferred) {
  const at::Tensor x = NormalTensor("x", {5, 4}).requires_grad_(true);
  const at::Tensor weight = NormalTensor("w", {4, 4}).requires_grad_(true);
  Gradients found;
  const auto f = [&found, weight](const at::Tensor& in) {
    ++found.calls;
    return Linear(in.square(), weight);
  };
  const at::Tensor y = x + (recompute ? Recomputed(x, f) : f(x));
  found.output = y.detach();
  if (deferred) {
    DeferredWeightGradients putting_off;
    torch::autograd::backward({y}, {NormalTensor("g", {5, 4})});
    EXPECT_FALSE(weight.grad().defined());
    ComputeWeightGradients(putting_off.Take());
  } else {
    torch::autograd::backward({y}, {NormalTensor("g", {5, 4})});
  }
  found.of_x = x.grad();
  found.of_weight = weight.grad();
  return found;
}

void ExpectSameBits(const Gradients& a, const Gradients& b) {
  EXPECT_TRUE(SameBits(a.output, b.output));
  EXPECT_TRUE(SameBits(a.of_x, b.of_x));
  EXPECT_TRUE(SameBits(a.of_weight, b.of_weight));
}

TEST(RecomputeTest, HasTheBitsOfAGraphThatKeepsEverything) {
  const Gradients kept = Train(false, false), again = Train(true, false);
  ExpectSameBits(kept, again);
  EXPECT_EQ(kept.calls, 1);
  EXPECT_EQ(again.calls, 2);
}

TEST(RecomputeTest, WeightGradientsMayBePutOff) {
  ExpectSameBits(Train(false, false), Train(true, true));
}

TEST(RecomputeTest, WithoutGradientsItIsComputedOnce) {
  const c10::NoGradGuard no_grad;
  int calls = 0;
  const at::Tensor y = Recomputed(NormalTensor("x", {2, 2}), [&](const at::Tensor& x) {
    ++calls;
    return x + x;
  });
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(y.requires_grad());
}

}  // namespace
}  // namespace deduce
