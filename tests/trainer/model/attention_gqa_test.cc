#include "trainer/model/attention_gqa.h"

#include <gtest/gtest.h>

#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

TEST(AttentionGqaTest, UnsetShapesFollowTheQueryHeads) {
  ModelConfig config = TinyDenseModel();
  config.clear_head_dim();
  config.clear_num_key_value_heads();
  EXPECT_EQ(GqaAttention::HeadDim(config), 6);
  EXPECT_EQ(GqaAttention::KvHeads(config), 4);
  const auto group = MakeOneMemberCommunicator();
  const auto model = Transformer::Create(config, 1, *group);
  EXPECT_EQ(model->MakeCache(2, 8).k_spgk[0].sizes(), at::IntArrayRef({2, 8, 4, 6}));
  EXPECT_EQ(model->Forward(Pack({{1, 2, 3}}), false).hidden_xd.sizes(), at::IntArrayRef({3, 24}));
}

// With as many equal key-value heads as query heads, grouping is plain multi-head attention.
TEST(AttentionGqaTest, RepeatedKeyValueHeadsGiveTheBitsOfSharedOnes) {
  ModelConfig repeated_config = TinyDenseModel();
  repeated_config.set_num_key_value_heads(4);
  std::vector<Parameter> shared_weights, repeated_weights;
  ParameterFactory shared_factory(1, 0.2, 0, 1, shared_weights);
  ParameterFactory repeated_factory(1, 0.2, 0, 1, repeated_weights);
  const RotaryTable table = MakeRotaryTable({8, 10000, {}}, 16);
  const GqaAttention shared(TinyDenseModel(), 0, "", table, shared_factory);
  const GqaAttention repeated(repeated_config, 0, "", table, repeated_factory);
  for (const size_t key_or_value : {1, 2}) {
    const at::Tensor heads_gkd = shared_weights[key_or_value].value.view({2, 8, 24});
    repeated_weights[key_or_value].value.copy_(
        heads_gkd.unsqueeze(1).expand({2, 2, 8, 24}).reshape({32, 24}));
  }
  const std::vector<int64_t> starts = {0, 5};
  ForwardContext context;
  context.positions_t = at::tensor(std::vector<int64_t>{0, 1, 2, 3, 4});
  context.sequence_starts = &starts;
  const at::Tensor x_td = NormalTensor({5, 24}, 1);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(shared.Forward(x_td, context), repeated.Forward(x_td, context)));
}

}  // namespace
}  // namespace deduce
