#include "trainer/model/block.h"

#include <gtest/gtest.h>

#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

TEST(BlockTest, OnlyLayersFromTheFirstRoutedOneHaveExperts) {
  const ModelConfig config = TinyRoutedModel();
  const auto group = MakeOneMemberCommunicator();
  const RotaryTable table = MakeRotaryTable({4, 10000, {}}, 64);
  for (const int64_t layer : {0, 1, 2}) {
    std::vector<Parameter> parameters;
    std::vector<ModelBuffer> buffers;
    std::vector<ExpertPlacement> placements;
    ParameterFactory factory(1, 0.2, 0, 1, parameters);
    int64_t routed_layers = 0;
    const Block block(layer, layer,
                      {config, table, factory, buffers, placements, *group, routed_layers});
    EXPECT_EQ(buffers.size(), layer == 0 ? 0u : 1u) << layer;
    EXPECT_EQ(routed_layers, layer == 0 ? 0 : 1) << layer;
  }
}

// With the output projections at zero nothing is added to the residual stream.
TEST(BlockTest, ZeroOutputProjectionsMakeItTheIdentity) {
  const ModelConfig config = TinyDenseModel();
  const auto group = MakeOneMemberCommunicator();
  const RotaryTable table = MakeRotaryTable({8, 10000, {}}, 64);
  std::vector<Parameter> parameters;
  std::vector<ModelBuffer> buffers;
  std::vector<ExpertPlacement> placements;
  ParameterFactory factory(1, 0.2, 0, 1, parameters);
  int64_t routed_layers = 0;
  const Block block(0, 0, {config, table, factory, buffers, placements, *group, routed_layers});
  const std::vector<int64_t> starts = {0, 3};
  ForwardContext context;
  context.positions_t = at::tensor(std::vector<int64_t>{0, 1, 2});
  context.sequence_starts = &starts;
  const at::Tensor x_td = NormalTensor({3, 24}, 1);
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(at::equal(block.Forward(x_td, context), x_td));
  for (Parameter& parameter : parameters) {
    const std::string& name = parameter.names[0];
    const bool output =
        name.find("o_proj") != std::string::npos || name.find("down_proj") != std::string::npos;
    if (output) parameter.value.zero_();
  }
  EXPECT_TRUE(at::equal(block.Forward(x_td, context), x_td));
}

}  // namespace
}  // namespace deduce
