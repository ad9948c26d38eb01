#include "trainer/model/projection.h"

#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

TEST(ProjectionTest, BiasIsAddedToEveryRowAndGathersItsGradient) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(1, 0.3, 0, 1, parameters);
  const Projection plain("a", 5, 3, /*with_bias=*/false, factory);
  const Projection biased("a", 5, 3, /*with_bias=*/true, factory);  // the same weight, by its name
  ASSERT_EQ(parameters.size(), 3u);
  EXPECT_EQ(parameters[2].names[0], "a.bias");
  EXPECT_TRUE(at::equal(parameters[2].value, at::zeros({5})));
  const at::Tensor bias_o = NormalTensor({5}, 2);
  {
    const at::NoGradGuard no_grad;
    parameters[2].value.copy_(bias_o);
  }
  const at::Tensor x_ti = NormalTensor({4, 3}, 1);
  EXPECT_TRUE(at::equal(biased.Forward(x_ti), plain.Forward(x_ti) + bias_o));
  biased.Forward(x_ti).sum().backward();
  EXPECT_TRUE(at::equal(parameters[2].leaves[0].grad(), at::zeros({5}) + 4));
}

TEST(ProjectionTest, SeveralAtOnceHaveTheBitsOfEach) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(1, 0.3, 0, 1, parameters);
  const Projection plain("a", 5, 3, /*with_bias=*/false, factory);
  const Projection biased("b", 2, 3, /*with_bias=*/true, factory);
  const at::Tensor x_ti = NormalTensor({4, 3}, 1);
  const std::vector<at::Tensor> both = Projection::ForwardEach(x_ti, {&plain, &biased});
  EXPECT_TRUE(at::equal(both[0], plain.Forward(x_ti)));
  EXPECT_TRUE(at::equal(both[1], biased.Forward(x_ti)));
}

TEST(ProjectionTest, ABiasFollowsRowsAndIsWholeBesideColumns) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(1, 0.3, 0, 1, parameters, ComputeType::kFloat32, at::kFloat,
                           /*tensor_rank=*/1,
                           /*tensor_ranks=*/2);
  const Projection rows("r", 6, 4, /*with_bias=*/true, factory, SplitBy::kRows);
  const Projection columns("c", 6, 4, /*with_bias=*/true, factory, SplitBy::kColumns);
  ASSERT_EQ(parameters.size(), 4u);
  EXPECT_EQ(parameters[0].value.sizes(), at::IntArrayRef({3, 4}));
  EXPECT_EQ(parameters[1].value.sizes(), at::IntArrayRef({3}));
  EXPECT_EQ(parameters[1].placement, Placement::kPiece);
  EXPECT_EQ(parameters[2].value.sizes(), at::IntArrayRef({6, 2}));
  EXPECT_EQ(parameters[3].value.sizes(), at::IntArrayRef({6}));
  EXPECT_EQ(parameters[3].placement, Placement::kReplicated);
}

}  // namespace
}  // namespace deduce
