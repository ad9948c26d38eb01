#include "trainer/forecast/model_size.h"

#include <gtest/gtest.h>

#include "parallel/communicator/communicator.h"
#include "parallel/communicator/thread_communicator.h"
#include "tests/trainer/model/tiny_models.h"
#include "tests/trainer/planned_models.h"

namespace deduce {
namespace {

int64_t CountOf(Transformer& model) {
  int64_t count = 0;
  for (const Parameter& parameter : model.parameters()) count += parameter.value.numel();
  return count;
}

ModelConfig Changed(ModelConfig model, const std::string& text) {
  EXPECT_TRUE(google::protobuf::TextFormat::MergeFromString(text, &model)) << text;
  return model;
}

TEST(ModelSizeTest, PublishedModelsHaveTheirNumberOfParameters) {
  const ModelConfig v3 = TreeConfig("deepseek_v3_2048_h800").model();
  EXPECT_EQ(NumMainParameters(v3), 671'026'404'352);
  EXPECT_EQ(NumActiveParameters(v3), 36'624'596'992);
  // The module's 256 correction biases are no parameters here.
  EXPECT_EQ(SizeOfPart(v3, WholeModel(v3)).total() - NumMainParameters(v3), 11'610'068'224 - 256);
  EXPECT_EQ(NumMainParameters(DeepSeekV2Lite()), 15'706'484'224);
}

TEST(ModelSizeTest, CountsAreThoseOfTheModelsParameters) {
  const std::unique_ptr<Communicator> self = MakeOneMemberCommunicator();
  const ModelConfig models[] = {
      TinyDenseModel(),
      TinyRoutedModel(),
      TinyVariedModel(),
      Changed(TinyRoutedModel(), "q_lora_rank: 0 num_nextn_predict_layers: 0"),
      Changed(TinyRoutedModel(), "qkv_bias: true o_bias: true mlp_bias: true"),
      Changed(TinyRoutedModel(), "moe { n_shared_experts: 0 topk_method: group_limited_greedy }"),
      Changed(TinyDenseModel(), "tie_word_embeddings: true qkv_bias: true"),
  };
  for (const ModelConfig& config : models) {
    const auto model = Transformer::Create(config, std::nullopt, *self);
    EXPECT_EQ(SizeOfPart(config, WholeModel(config)).total(), CountOf(*model))
        << config.ShortDebugString();
  }
}

TEST(ModelSizeTest, TheTensorAxisSplitsWhatItCounts) {
  const std::unique_ptr<Communicator> self = MakeOneMemberCommunicator();
  for (const ModelConfig& config :
       {TinyDenseModel(), TinyRoutedModel(),
        Changed(TinyRoutedModel(), "q_lora_rank: 0 num_nextn_predict_layers: 0"),
        Changed(TinyRoutedModel(), "qkv_bias: true o_bias: true mlp_bias: true"),
        Changed(TinyDenseModel(), "qkv_bias: true o_bias: true mlp_bias: true qk_norm: true")}) {
    RunThreadRanks(2, [&](Communicator& tensor) {
      ModelGroups groups(*self);
      groups.tensor = &tensor;
      const auto model = Transformer::Create(config, std::nullopt, groups);
      int64_t pieces = 0;
      for (const Parameter& parameter : model->parameters())
        pieces += parameter.placement == Placement::kPiece ? parameter.value.numel() : 0;
      EXPECT_EQ(SizeOfPart(config, WholeModel(config)).split, 2 * pieces)
          << config.ShortDebugString();
    });
  }
}

TEST(ModelSizeTest, CountsOfPartsAreThoseOfTheirParameters) {
  const std::unique_ptr<Communicator> self = MakeOneMemberCommunicator();
  for (const ModelConfig& config : {TinyRoutedModel(), TinyVariedModel(), TinyDenseModel()}) {
    const auto parts = SplitModel(config, 2, {});
    ASSERT_TRUE(parts.ok()) << parts.status();
    for (const ModelPart& part : *parts) {
      const auto model = Transformer::Create(config, std::nullopt, *self, part);
      EXPECT_EQ(SizeOfPart(config, part).total(), CountOf(*model)) << config.ShortDebugString();
    }
  }
}

TEST(ModelSizeTest, DeepSeekV3TakesAbout250GigaflopsATokenAt4K) {
  const ModelConfig v3 = TreeConfig("deepseek_v3_2048_h800").model();
  // 6 * 36,624,596,992 + 3 * 61 layers * 128 heads * 2 * (192 + 128) * 2048 keys
  EXPECT_DOUBLE_EQ(TrainingFlops(v3, 4096), 219'747'581'952.0 + 30'702'305'280.0);
}

TEST(ModelSizeTest, FlopsOfPartsAddUpToThoseOfTheModel) {
  const ModelConfig config = TinyRoutedModel();
  const auto parts = SplitModel(config, 3, {});
  ASSERT_TRUE(parts.ok()) << parts.status();
  PartFlops sum;
  for (const ModelPart& part : *parts) {
    const PartFlops flops = ForwardFlops(config, part, 32);
    sum.products += flops.products;
    sum.attention += flops.attention;
  }
  const PartFlops whole = ForwardFlops(config, WholeModel(config), 32);
  EXPECT_DOUBLE_EQ(sum.products, whole.products);
  EXPECT_DOUBLE_EQ(sum.attention, whole.attention);
}

TEST(ModelSizeTest, AForwardOfADenseModelMultipliesEveryWeightOnce) {
  ModelConfig config = TinyDenseModel();
  const PartFlops flops = ForwardFlops(config, WholeModel(config), 10);
  EXPECT_EQ(flops.products, 2 * NumActiveParameters(config));
  // 2 layers, 4 heads, widths 8 and 8, 5 keys on average, 2 operations.
  EXPECT_EQ(flops.attention, 2 * 4 * (8 + 8) * 5 * 2);
  config.set_tie_word_embeddings(true);  // the head is multiplied all the same
  EXPECT_EQ(ForwardFlops(config, WholeModel(config), 10).products, flops.products);
}

}  // namespace
}  // namespace deduce
