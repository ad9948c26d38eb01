#include "trainer/model/mtp.h"

#include <gtest/gtest.h>

#include "tests/trainer/model/tiny_models.h"

namespace deduce {
namespace {

TEST(MtpTest, PositionSeesTheNextTokenAndNoLaterOne) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyRoutedModel(), *group);
  const Sequences sequences = {{4, 8, 15, 16, 23, 30}};
  Sequences changed = sequences;
  changed[0][3] = 2;
  const at::Tensor before = model->Forward(Pack(sequences), true).mtp_hidden_xd;
  const at::Tensor after = model->Forward(Pack(changed), true).mtp_hidden_xd;
  EXPECT_EQ(before.sizes(), at::IntArrayRef({6, 24}));
  EXPECT_TRUE(at::equal(before.narrow(0, 0, 2), after.narrow(0, 0, 2)));
  EXPECT_FALSE(at::equal(before[2], after[2]));
}

TEST(MtpTest, RunsOnlyOnRequest) {
  const auto group = MakeOneMemberCommunicator();
  const auto routed = MakeModel(TinyRoutedModel(), *group);
  const PackedBatch batch = Pack({{1, 2, 3}});
  EXPECT_FALSE(routed->Forward(batch, false).mtp_hidden_xd.defined());
  EXPECT_TRUE(routed->Forward(batch, true).mtp_hidden_xd.defined());
  const auto dense = MakeModel(TinyDenseModel(), *group);
  EXPECT_FALSE(dense->Forward(batch, true).mtp_hidden_xd.defined());
}

TEST(MtpTest, LeavesTheMainHiddenStatesAlone) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyRoutedModel(), *group);
  const PackedBatch batch = Pack(RandomSequences({8, 5}, 37, 9));
  EXPECT_TRUE(
      at::equal(model->Forward(batch, false).hidden_xd, model->Forward(batch, true).hidden_xd));
}

// The module's loss reaches the embedding of the next token and the trunk below the final norm.
TEST(MtpTest, GradientFlowsIntoTrunkAndNextEmbeddingButNotTheFinalNorm) {
  const auto group = MakeOneMemberCommunicator();
  const auto model = MakeModel(TinyRoutedModel(), *group);
  model->Forward(Pack({{1, 2, 3}}), true).mtp_hidden_xd.narrow(0, 0, 1).square().sum().backward();
  for (const Parameter& parameter : model->parameters()) {
    const at::Tensor grad = parameter.Gradient();
    const std::string& name = parameter.names[0];
    if (name == "model.norm.weight") {
      EXPECT_FALSE(grad.defined());
    }
    if (name == "model.layers.0.mlp.up_proj.weight") {
      EXPECT_GT(grad.abs().max().item<float>(), 0);
    }
    if (name == "model.embed_tokens.weight") {
      EXPECT_GT(grad[1].abs().max().item<float>(), 0);
      EXPECT_GT(grad[2].abs().max().item<float>(), 0);
      EXPECT_EQ(grad[3].abs().max().item<float>(), 0);
    }
  }
}

}  // namespace
}  // namespace deduce
