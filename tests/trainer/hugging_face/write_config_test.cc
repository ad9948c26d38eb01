#include "trainer/hugging_face/write_config.h"

#include <gtest/gtest.h>

#include "configs/config.h"
#include "tests/trainer/model/tiny_models.h"
#include "trainer/hugging_face/model_config.h"

namespace deduce {
namespace {

void ExpectReadsBack(const ModelConfig& model, const std::string& family) {
  const auto text = WriteHuggingFaceConfig(model);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_NE(text->find("\"model_type\": \"" + family + "\""), std::string::npos) << *text;
  const auto again = ReadHuggingFaceConfig(*text, "c.json");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ModelDifference(*again, model), "");
  EXPECT_EQ(again->max_position_embeddings(), model.max_position_embeddings());
}

ModelConfig DenseModel(const std::string& more) {
  return ParseModel(TinyDenseModel().ShortDebugString() + more);
}

TEST(WriteConfigTest, EveryFamilyReadsBackAsTheSameModel) {
  ExpectReadsBack(DenseModel(""), "llama");
  ExpectReadsBack(DenseModel(" qkv_bias: true o_bias: true mlp_bias: true"), "llama");
  ExpectReadsBack(DenseModel(" qkv_bias: true tie_word_embeddings: true"), "qwen2");
  ExpectReadsBack(DenseModel(" qk_norm: true rope { llama3 { factor: 4 } }"), "qwen3");
  ExpectReadsBack(TinyRoutedModel(), "deepseek_v3");
  ExpectReadsBack(DenseModel(R"( qk_norm: true
      moe { n_routed_experts: 4 n_shared_experts: 0 num_experts_per_tok: 2 moe_intermediate_size: 8
            scoring_func: softmax topk_method: greedy first_k_dense_replace: 1 })"),
                  "qwen3_moe");
  ModelConfig v2 = TinyRoutedModel();
  v2.clear_num_nextn_predict_layers();
  v2.mutable_moe()->set_scoring_func(MoeConfig::softmax);
  v2.mutable_moe()->set_topk_method(MoeConfig::group_limited_greedy);
  v2.mutable_moe()->set_norm_topk_prob(false);
  ExpectReadsBack(v2, "deepseek_v2");
}

TEST(WriteConfigTest, AModelOfNoFamilyIsRefusedByItsField) {
  const auto message = [](const ModelConfig& model) {
    return std::string(WriteHuggingFaceConfig(model).status().message());
  };
  EXPECT_EQ(message(DenseModel(" o_bias: true")).find("model.qkv_bias: found "), 0u);
  EXPECT_EQ(message(DenseModel(" qk_norm: true mlp_bias: true")).find("model.mlp_bias: found "),
            0u);
  ModelConfig mixed = TinyRoutedModel();
  mixed.mutable_moe()->set_scoring_func(MoeConfig::softmax);
  EXPECT_EQ(message(mixed).find("model.moe: found "), 0u);
  ModelConfig dense = TinyRoutedModel();
  dense.clear_moe();
  EXPECT_EQ(message(dense).find("model.moe: found nothing"), 0u);
}

}  // namespace
}  // namespace deduce
