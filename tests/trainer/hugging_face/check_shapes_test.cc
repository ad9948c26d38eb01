#include "trainer/hugging_face/check_shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/trainer/hugging_face/tiny_folder.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

// The error about the folder of `own` if it claims to be one of `claimed`.
std::string MessageOf(const ModelConfig& own, const ModelConfig& claimed) {
  const ScratchDir dir;
  WriteTinyFolder(own, dir / "m");
  const auto weights = WeightFiles::Open(dir / "m");
  EXPECT_TRUE(weights.ok()) << weights.status();
  return std::string(CheckShapes(claimed, *weights, "m").message());
}

TEST(CheckShapesTest, ModelsOfEveryKindFitTheirFiles) {
  for (const ModelConfig& config : {TinyDenseModel(), TinyRoutedModel()})
    EXPECT_EQ(MessageOf(config, config), "");
}

TEST(CheckShapesTest, ATensorThatIsMissingOrOfAnotherShapeIsNamed) {
  ModelConfig more = TinyDenseModel();
  more.set_num_hidden_layers(more.num_hidden_layers() + 1);
  EXPECT_THAT(MessageOf(TinyDenseModel(), more), HasSubstr("found nothing, expected a tensor of"));
  ModelConfig wider = TinyDenseModel();
  wider.set_intermediate_size(wider.intermediate_size() + 1);
  EXPECT_THAT(MessageOf(TinyDenseModel(), wider),
              HasSubstr("tensor \"model.layers.0.mlp.gate_proj.weight\": found F32 [40, 24], "
                        "expected the shape [41, 24]"));
}

// Each of these models would need terabytes.
TEST(CheckShapesTest, SizesBeyondTheFilesTakeNoMemory) {
  constexpr int64_t kHuge = int64_t{1} << 24;
  ModelConfig hidden = TinyDenseModel();
  hidden.set_hidden_size(kHuge);
  EXPECT_THAT(MessageOf(TinyDenseModel(), hidden), HasSubstr("model.embed_tokens.weight"));
  ModelConfig dense = TinyDenseModel();
  dense.set_intermediate_size(kHuge);
  EXPECT_THAT(MessageOf(TinyDenseModel(), dense),
              HasSubstr("intermediate_size: found a matrix of"));
  ModelConfig head = TinyDenseModel();
  head.set_head_dim(kHuge);
  EXPECT_THAT(MessageOf(TinyDenseModel(), head), HasSubstr("head_dim: found a matrix of"));
  ModelConfig layers = TinyDenseModel();
  layers.set_num_hidden_layers(10000);
  EXPECT_THAT(MessageOf(TinyDenseModel(), layers), HasSubstr("num_hidden_layers: found 10000"));
  ModelConfig experts = TinyRoutedModel();
  experts.mutable_moe()->set_n_routed_experts(1 << 20);
  EXPECT_THAT(MessageOf(TinyRoutedModel(), experts), HasSubstr("routed experts: found 1048576"));
  ModelConfig width = TinyRoutedModel();
  width.mutable_moe()->set_moe_intermediate_size(kHuge);
  EXPECT_THAT(MessageOf(TinyRoutedModel(), width), HasSubstr("moe_intermediate_size: found a"));
  ModelConfig latent = TinyRoutedModel();
  latent.set_kv_lora_rank(kHuge);
  EXPECT_THAT(MessageOf(TinyRoutedModel(), latent), HasSubstr("kv_lora_rank: found a matrix of"));
}

}  // namespace
}  // namespace deduce
