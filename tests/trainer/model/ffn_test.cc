#include "trainer/model/ffn.h"

#include <gtest/gtest.h>

#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

TEST(FfnTest, AgreesWithTheGatedFormula) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(1, 0.3, 0, 1, parameters);
  const Ffn ffn(6, 10, /*bias=*/false, "p.", factory);
  const at::Tensor x_td = NormalTensor({5, 6}, 1);
  ASSERT_EQ(parameters.size(), 3u);
  EXPECT_EQ(parameters[2].names[0], "p.down_proj.weight");
  const at::Tensor x = x_td.to(at::kDouble);
  const at::Tensor gate = x.matmul(parameters[0].value.to(at::kDouble).t());
  const at::Tensor up = x.matmul(parameters[1].value.to(at::kDouble).t());
  const at::Tensor expected =
      (gate * gate.sigmoid() * up).matmul(parameters[2].value.to(at::kDouble).t());
  // Sums of at most 10 products of numbers below 4 in fp32.
  EXPECT_LE((ffn.Forward(x_td).detach() - expected).abs().max().item<double>(), 1e-5);
}

TEST(FfnTest, BiasesAreItsOwnParametersWithoutDecay) {
  std::vector<Parameter> parameters;
  ParameterFactory factory(1, 0.3, 0, 1, parameters);
  const Ffn ffn(6, 10, /*bias=*/true, "p.", factory);
  ASSERT_EQ(parameters.size(), 6u);
  EXPECT_EQ(parameters[5].names[0], "p.down_proj.bias");
  EXPECT_FALSE(parameters[5].decay);
  const at::NoGradGuard no_grad;
  const at::Tensor x_td = NormalTensor({5, 6}, 1);
  const at::Tensor before = ffn.Forward(x_td);
  parameters[5].value.add_(1);
  EXPECT_TRUE(at::equal(ffn.Forward(x_td), before + 1));
}

}  // namespace
}  // namespace deduce
