#include "trainer/hugging_face/model_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace deduce {
namespace {

using Json = nlohmann::json;

// The fields that every family has, as published files spell them.
Json Shape(const std::string& type, const std::string& architecture) {
  return {{"model_type", type},
          {"architectures", {architecture}},
          {"vocab_size", 96},
          {"hidden_size", 48},
          {"intermediate_size", 64},
          {"num_hidden_layers", 4},
          {"num_attention_heads", 6},
          {"num_key_value_heads", 2},
          {"hidden_act", "silu"},
          {"rms_norm_eps", 1e-5},
          {"max_position_embeddings", 512},
          {"torch_dtype", "bfloat16"},
          {"transformers_version", "4"},
          {"use_cache", true}};
}

Json Llama() { return Shape("llama", "LlamaForCausalLM"); }
Json Mistral() {
  Json json = Shape("mistral", "MistralForCausalLM");
  json["sliding_window"] = nullptr;
  return json;
}
Json Qwen2() {
  Json json = Shape("qwen2", "Qwen2ForCausalLM");
  json.update({{"use_sliding_window", false}, {"sliding_window", 128}, {"max_window_layers", 2}});
  return json;
}
Json Qwen3Moe() {
  Json json = Shape("qwen3_moe", "Qwen3MoeForCausalLM");
  json.update({{"head_dim", 16},
               {"num_experts", 8},
               {"num_experts_per_tok", 2},
               {"moe_intermediate_size", 24},
               {"norm_topk_prob", true},
               {"decoder_sparse_step", 1},
               {"mlp_only_layers", Json::array()},
               {"router_aux_loss_coef", 0.001}});
  return json;
}
Json DeepseekV3() {
  Json json = Shape("deepseek_v3", "DeepseekV3ForCausalLM");
  json.update({{"num_key_value_heads", 6},
               {"q_lora_rank", 12},
               {"kv_lora_rank", 10},
               {"qk_nope_head_dim", 8},
               {"qk_rope_head_dim", 4},
               {"v_head_dim", 8},
               {"n_routed_experts", 8},
               {"n_shared_experts", 1},
               {"num_experts_per_tok", 2},
               {"moe_intermediate_size", 24},
               {"first_k_dense_replace", 1},
               {"moe_layer_freq", 1},
               {"n_group", 4},
               {"topk_group", 2},
               {"routed_scaling_factor", 2.5},
               {"norm_topk_prob", true},
               {"scoring_func", "sigmoid"},
               {"topk_method", "noaux_tc"},
               {"num_nextn_predict_layers", 1},
               {"ep_size", 1},
               {"rope_scaling",
                {{"type", "yarn"},
                 {"factor", 40},
                 {"mscale", 1.0},
                 {"mscale_all_dim", 1.0},
                 {"beta_fast", 32},
                 {"beta_slow", 1},
                 {"original_max_position_embeddings", 128}}}});
  return json;
}
Json DeepseekV2() {
  Json json = DeepseekV3();
  json.erase("num_nextn_predict_layers");
  json.update({{"model_type", "deepseek_v2"},
               {"architectures", {"DeepseekV2ForCausalLM"}},
               {"scoring_func", "softmax"},
               {"topk_method", "group_limited_greedy"},
               {"norm_topk_prob", false},
               {"q_lora_rank", nullptr}});
  return json;
}

ModelConfig Read(const Json& json) {
  const auto model = ReadHuggingFaceConfig(json.dump(), "c.json");
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *model : ModelConfig();
}

// The message about `json` with some fields changed; a field changed to "absent" is taken away.
std::string Error(Json json, const Json& changes) {
  for (const auto& [name, value] : changes.items()) {
    if (value == "absent") {
      json.erase(name);
    } else {
      json[name] = value;
    }
  }
  return std::string(ReadHuggingFaceConfig(json.dump(), "c.json").status().message());
}

TEST(ModelConfigTest, LlamaAndItsVariations) {
  const ModelConfig model = Read(Llama());
  EXPECT_EQ(model.attention(), ModelConfig::GQA);
  EXPECT_EQ(model.num_key_value_heads(), 2);
  EXPECT_EQ(model.rms_norm_eps(), 1e-5);
  EXPECT_EQ(model.rope().theta(), 10000);
  EXPECT_FALSE(model.tie_word_embeddings() || model.qkv_bias() || model.o_bias() ||
               model.mlp_bias());
  Json json = Llama();
  json.update({{"tie_word_embeddings", true},
               {"attention_bias", true},
               {"mlp_bias", true},
               {"head_dim", 10}});
  json.erase("num_key_value_heads");
  const ModelConfig other = Read(json);
  EXPECT_TRUE(other.tie_word_embeddings() && other.qkv_bias() && other.o_bias() &&
              other.mlp_bias());
  EXPECT_EQ(other.head_dim(), 10);
  EXPECT_EQ(other.num_key_value_heads(), 6);
}

TEST(ModelConfigTest, QwenHasBiasesOrNorms) {
  const ModelConfig qwen2 = Read(Qwen2());
  EXPECT_TRUE(qwen2.qkv_bias() && !qwen2.o_bias() && !qwen2.qk_norm());
  const ModelConfig qwen3 = Read(Qwen3Moe());
  EXPECT_TRUE(!qwen3.qkv_bias() && qwen3.qk_norm());
}

TEST(ModelConfigTest, Qwen3MoeRoutesBySoftmaxWithoutSharedExperts) {
  const ModelConfig model = Read(Qwen3Moe());
  EXPECT_EQ(model.moe().scoring_func(), MoeConfig::softmax);
  EXPECT_EQ(model.moe().topk_method(), MoeConfig::greedy);
  EXPECT_EQ(model.moe().n_shared_experts(), 0);
  EXPECT_EQ(model.moe().first_k_dense_replace(), 0);
  Json json = Qwen3Moe();
  json["mlp_only_layers"] = {0, 1};
  json["num_local_experts"] = json["num_experts"];  // as transformers 5 spells it
  json.erase("num_experts");
  EXPECT_EQ(Read(json).moe().first_k_dense_replace(), 2);
  EXPECT_EQ(Read(json).moe().n_routed_experts(), 8);
}

TEST(ModelConfigTest, DeepseekOfBothKinds) {
  const ModelConfig v3 = Read(DeepseekV3());
  EXPECT_EQ(v3.attention(), ModelConfig::MLA);
  EXPECT_EQ(v3.q_lora_rank(), 12);
  EXPECT_EQ(v3.moe().topk_method(), MoeConfig::noaux_tc);
  EXPECT_EQ(v3.moe().n_group(), 4);
  EXPECT_EQ(v3.num_nextn_predict_layers(), 1);
  EXPECT_EQ(v3.rope().yarn().factor(), 40);
  EXPECT_TRUE(v3.rope().interleave());
  const ModelConfig v2 = Read(DeepseekV2());
  EXPECT_EQ(v2.q_lora_rank(), 0);
  EXPECT_EQ(v2.moe().scoring_func(), MoeConfig::softmax);
  EXPECT_EQ(v2.moe().topk_method(), MoeConfig::group_limited_greedy);
  Json greedy = DeepseekV2();
  greedy.update({{"topk_method", "greedy"}, {"n_group", nullptr}, {"topk_group", nullptr}});
  EXPECT_EQ(Read(greedy).moe().n_group(), 1);
}

TEST(ModelConfigTest, AWindowThatNoSequenceOutgrowsIsNone) {
  Json json = Mistral();
  json["sliding_window"] = 512;
  EXPECT_EQ(Read(json).max_position_embeddings(), 512);
  Json qwen = Qwen2();
  qwen["layer_types"] = {"full_attention", "full_attention", "full_attention", "full_attention"};
  EXPECT_TRUE(Read(qwen).qkv_bias());
}

TEST(ModelConfigTest, AWindowAsLongAsTheRunsSequencesIsNone) {
  Json qwen = Qwen2();
  qwen.update({{"use_sliding_window", true}, {"layer_types", {"sliding_attention"}}});
  Json mistral = Mistral();
  mistral["sliding_window"] = 128;
  for (const Json& json : {qwen, mistral}) {
    const auto model = ReadHuggingFaceConfig(json.dump(), "c.json", /*longest=*/128);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->max_position_embeddings(), 512);
    EXPECT_FALSE(ReadHuggingFaceConfig(json.dump(), "c.json", /*longest=*/129).ok());
  }
}

TEST(ModelConfigTest, DescribedFp8IsAccepted) {
  Json json = DeepseekV3();
  json["quantization_config"] = {{"quant_method", "fp8"},
                                 {"fmt", "e4m3"},
                                 {"activation_scheme", "dynamic"},
                                 {"weight_block_size", {128, 128}}};
  EXPECT_EQ(Read(json).attention(), ModelConfig::MLA);
  EXPECT_EQ(Error(json, {{"quantization_config", {{"quant_method", "gptq"}}}}),
            "c.json: quantization_config: quant_method: found \"gptq\", expected \"fp8\"");
}

constexpr char kLower[] = ", which a run may lower in model.max_position_embeddings";

struct Case {
  Json json;
  Json changes;
  std::string error;  // after "c.json: "
};

TEST(ModelConfigTest, WhatIsNotSupportedIsNamedWithItsValue) {
  const std::vector<Case> cases = {
      {Llama(),
       {{"model_type", "gpt2"}},
       "model_type: found \"gpt2\", expected llama, mistral, qwen2, qwen3, qwen3_moe, deepseek_v2 "
       "or deepseek_v3"},
      {Llama(),
       {{"architectures", {"LlamaModel"}}},
       "architectures: found [\"LlamaModel\"], expected [\"LlamaForCausalLM\"]"},
      {Llama(), {{"hidden_act", "gelu"}}, "hidden_act: found \"gelu\", expected \"silu\""},
      {Llama(), {{"attention_dropout", 0.1}}, "attention_dropout: found 0.1, expected 0.0"},
      {Llama(),
       {{"qk_norm", true}},
       "\"qk_norm\": found true, expected a field that this version knows"},
      {Llama(), {{"vocab_size", "absent"}}, "vocab_size: found nothing, expected a whole number"},
      {Llama(),
       {{"num_key_value_heads", 4}},
       "model.num_key_value_heads: found 4, expected a divisor of model.num_attention_heads (6)"},
      {Mistral(),
       {{"sliding_window", 128}},
       std::string("sliding_window: found 128, expected null, or at least "
                   "max_position_embeddings (512)") +
           kLower},
      {Mistral(),
       {{"sliding_window", "absent"}, {"max_position_embeddings", 8192}},
       std::string("sliding_window: found nothing, expected null, or at least "
                   "max_position_embeddings (8192)") +
           kLower},
      {Qwen2(),
       {{"use_sliding_window", true}},
       std::string("sliding_window: found 128, expected null, or at least "
                   "max_position_embeddings (512)") +
           kLower},
      {Qwen2(),
       {{"layer_types", {"sliding_attention"}}},
       "layer_types: found [\"sliding_attention\"], expected full_attention only"},
      {Qwen3Moe(), {{"decoder_sparse_step", 2}}, "decoder_sparse_step: found 2, expected 1"},
      {Qwen3Moe(),
       {{"mlp_only_layers", {1}}},
       "mlp_only_layers: found [1], expected the first layers, in order"},
      {DeepseekV3(),
       {{"scoring_func", "softmax"}},
       "scoring_func: found \"softmax\", expected \"sigmoid\""},
      {DeepseekV3(),
       {{"topk_method", "greedy"}},
       "topk_method: found \"greedy\", expected \"noaux_tc\""},
      {DeepseekV3(), {{"moe_layer_freq", 2}}, "moe_layer_freq: found 2, expected 1"},
      {DeepseekV3(), {{"num_key_value_heads", 128}}, "num_key_value_heads: found 128, expected 6"},
      {DeepseekV3(),
       {{"q_lora_rank", "absent"}},
       "q_lora_rank: found nothing, expected a whole number or null"},
      {DeepseekV3(),
       {{"num_nextn_predict_layers", 2}},
       "model.num_nextn_predict_layers: found 2, expected a number in [0, 1]"},
      {DeepseekV2(), {{"norm_topk_prob", true}}, "norm_topk_prob: found true, expected false"},
      {DeepseekV2(),
       {{"topk_method", "noaux_tc"}},
       "topk_method: found \"noaux_tc\", expected greedy or group_limited_greedy"}};
  for (const Case& c : cases) EXPECT_EQ(Error(c.json, c.changes), "c.json: " + c.error);
}

TEST(ModelConfigTest, FalseAndHugeNumbersMayMatter) {
  EXPECT_EQ(Error(Llama(), {{"is_causal", false}}),
            "c.json: is_causal: found false, expected true");
  EXPECT_EQ(Error(Llama(), {{"max_position_embeddings", 1 << 23}}),
            "c.json: max_position_embeddings: found 8388608, expected at most 4194304");
}

TEST(ModelConfigTest, TwoNamesOfOneNumberMustAgree) {
  EXPECT_EQ(Error(Qwen3Moe(), {{"num_local_experts", 4}}),
            "c.json: num_local_experts: found 4, expected 8");
}

TEST(ModelConfigTest, TextThatIsNoObjectIsRefused) {
  for (const char* text : {"", "[]", "{\"a\": 1, \"a\": 2}", "{"})
    EXPECT_FALSE(ReadHuggingFaceConfig(text, "c.json").ok()) << text;
}

}  // namespace
}  // namespace deduce
