#include "kernels/backward/weight_gradient.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>

#include "kernels/grouped_matmul.h"
#include "kernels/linear.h"
#include "kernels/rms_norm.h"
#include "tests/kernels/oracle.h"

namespace deduce {
namespace {

using Kernel = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& weight)>;

at::Tensor Leaf(std::string_view name, at::IntArrayRef sizes) {
  return NormalTensor(name, sizes).set_requires_grad(true);
}

// Two micro-batches: the weight's gradient is a sum.
void ExpectPutOffHasTheBitsOfBackward(const Kernel& kernel, at::IntArrayRef weight_sizes) {
  const at::Tensor first = Leaf("x", {9, 40}), second = Leaf("y", {5, 40});
  const at::Tensor weight = Leaf("w", weight_sizes);
  for (const at::Tensor& x : {first, second}) kernel(x, weight).square().sum().backward();

  const at::Tensor later_first = Leaf("x", {9, 40}), later_second = Leaf("y", {5, 40});
  const at::Tensor later_weight = Leaf("w", weight_sizes);
  std::vector<DeferredWeightGradients::Work> work;
  for (const at::Tensor& x : {later_first, later_second}) {
    DeferredWeightGradients deferred;
    kernel(x, later_weight).square().sum().backward();
    work.push_back(deferred.Take());
  }
  EXPECT_TRUE(SameBits(later_first.grad(), first.grad()));
  EXPECT_TRUE(SameBits(later_second.grad(), second.grad()));
  EXPECT_FALSE(later_weight.grad().defined());
  for (DeferredWeightGradients::Work& each : work) {
    EXPECT_EQ(each.size(), 1U);
    ComputeWeightGradients(std::move(each));
  }
  EXPECT_TRUE(SameBits(later_weight.grad(), weight.grad()));
}

TEST(WeightGradientTest, OfALinearMap) {
  for (const ComputeType type : {ComputeType::kFloat32, ComputeType::kBfloat16}) {
    ExpectPutOffHasTheBitsOfBackward(
        [&](const at::Tensor& x, const at::Tensor& w) { return Linear(x, w, type); }, {24, 40});
  }
}

TEST(WeightGradientTest, OfExperts) {
  ExpectPutOffHasTheBitsOfBackward(
      [](const at::Tensor& x, const at::Tensor& w) {
        return GroupedMatmul(x, w, {2, 0, x.size(0) - 2});
      },
      {3, 24, 40});
}

TEST(WeightGradientTest, OfANorm) {
  ExpectPutOffHasTheBitsOfBackward(
      [](const at::Tensor& x, const at::Tensor& w) { return RmsNorm(x, w, 1e-6); }, {40});
}

TEST(WeightGradientTest, OfAWeightThatIsNoLeafIsNotPutOff) {
  const at::Tensor whole = Leaf("w", {30, 40});
  DeferredWeightGradients deferred;
  Linear(NormalTensor("x", {3, 40}), whole.narrow(0, 0, 24)).sum().backward();
  EXPECT_TRUE(whole.grad().defined());
  EXPECT_TRUE(deferred.Take().empty());
}

TEST(WeightGradientTest, GradientsAreComputedInTheirPlaces) {
  const at::Tensor flat = at::empty({2 * 960}, at::kFloat);
  const at::Tensor x = NormalTensor("x", {9, 40});
  const at::Tensor first = Leaf("u", {24, 40}), second = Leaf("w", {24, 40});
  {
    GradientPlaces places;
    places.Add(first, [&] { return flat.narrow(0, 0, 960); });
    places.Add(second, [&] { return flat.narrow(0, 960, 960); });
    (Linear(x, first) * Linear(x, second)).sum().backward();
  }
  EXPECT_EQ(first.grad().const_data_ptr(), flat.const_data_ptr());
  EXPECT_EQ(second.grad().const_data_ptr<float>(), flat.const_data_ptr<float>() + 960);
  const at::Tensor apart = Leaf("u", {24, 40});
  (Linear(x, apart) * Linear(x, second.detach())).sum().backward();
  EXPECT_TRUE(SameBits(first.grad(), apart.grad()));
}

TEST(WeightGradientTest, ALaterGradientIsAddedToThatInItsPlace) {
  const at::Tensor flat = at::empty({960}, at::kFloat);
  const at::Tensor x = NormalTensor("x", {9, 40}), y = NormalTensor("y", {9, 40});
  const at::Tensor weight = Leaf("w", {24, 40}), apart = Leaf("w", {24, 40});
  {
    GradientPlaces places;
    places.Add(weight, [&] { return flat; });
    (Linear(x, weight).square().sum() + Linear(y, weight).square().sum()).backward();
    Linear(y, weight).sum().backward();
  }
  (Linear(x, apart).square().sum() + Linear(y, apart).square().sum()).backward();
  Linear(y, apart).sum().backward();
  EXPECT_TRUE(SameBits(weight.grad(), apart.grad()));
}

TEST(WeightGradientTest, APlaceWithoutAlignmentIsLeftAlone) {
  const at::Tensor flat = NormalTensor("flat", {961}), before = flat.clone();
  const at::Tensor weight = Leaf("w", {24, 40});
  GradientPlaces places;
  places.Add(weight, [&] { return flat.narrow(0, 1, 960); });
  Linear(NormalTensor("x", {9, 40}), weight).sum().backward();
  EXPECT_TRUE(weight.grad().defined());
  EXPECT_TRUE(SameBits(flat, before));
}

TEST(WeightGradientTest, OneAtATime) {
  GradientPlaces places;
  EXPECT_THROW(GradientPlaces another, c10::Error);
  DeferredWeightGradients deferred;
  EXPECT_THROW(DeferredWeightGradients another, c10::Error);
}

}  // namespace
}  // namespace deduce
