// config.json files with the fields of published ones, in small sizes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "trainer/hugging_face/model_config.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

constexpr char kLlama32[] = R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 90, "eos_token_id": [91, 92, 93], "head_dim": 8, "hidden_act": "silu",
  "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 64,
  "max_position_embeddings": 131072, "mlp_bias": false, "model_type": "llama",
  "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2, "pretraining_tp": 1,
  "rms_norm_eps": 1e-05, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0,
    "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_type": "llama3"},
  "rope_theta": 500000.0, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers_version": "4.45.0.dev0", "use_cache": true, "vocab_size": 96})";

// Llama 2 and its fine-tunes of the time, with settings of generation and of training.
constexpr char kLlama2[] = R"({
  "_name_or_path": "meta-llama/Llama-2-7b-hf", "architectures": ["LlamaForCausalLM"],
  "bos_token_id": 1, "eos_token_id": 2, "do_sample": true, "temperature": 0.9, "top_p": 0.6,
  "gradient_checkpointing": false, "hidden_act": "silu", "hidden_size": 32,
  "initializer_range": 0.02, "intermediate_size": 64, "max_length": 4096,
  "max_position_embeddings": 4096, "model_type": "llama", "num_attention_heads": 4,
  "num_hidden_layers": 2, "num_key_value_heads": 4, "pad_token_id": -1, "pretraining_tp": 1,
  "rms_norm_eps": 1e-05, "rope_scaling": null, "tie_word_embeddings": false,
  "torch_dtype": "float16", "transformers_version": "4.31.0", "unsloth_version": "2024.1",
  "use_cache": true, "vocab_size": 96, "_attn_implementation": "flash_attention_2"})";

constexpr char kMistral[] = R"({
  "architectures": ["MistralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1,
  "eos_token_id": 2, "head_dim": null, "hidden_act": "silu", "hidden_size": 32,
  "initializer_range": 0.02, "intermediate_size": 64, "max_position_embeddings": 32768,
  "model_type": "mistral", "num_attention_heads": 4, "num_hidden_layers": 2,
  "num_key_value_heads": 2, "rms_norm_eps": 1e-05, "rope_theta": 1000000.0, "sliding_window": null,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.42.0.dev0",
  "use_cache": true, "vocab_size": 96})";

constexpr char kQwen25[] = R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 90,
  "eos_token_id": 90, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02,
  "intermediate_size": 64, "max_position_embeddings": 32768, "max_window_layers": 24,
  "model_type": "qwen2", "num_attention_heads": 4, "num_hidden_layers": 2,
  "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
  "sliding_window": 32768, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers_version": "4.40.1", "use_cache": true, "use_mrope": false,
  "use_sliding_window": false, "vocab_size": 96})";

// As transformers 5 saves Qwen2.
constexpr char kQwen25Saved[] = R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": null,
  "dtype": "bfloat16", "eos_token_id": 90, "hidden_act": "silu", "hidden_size": 32,
  "initializer_range": 0.02, "intermediate_size": 64, "layer_types": ["full_attention",
  "full_attention"], "max_position_embeddings": 32768, "max_window_layers": 24,
  "model_type": "qwen2", "num_attention_heads": 4, "num_hidden_layers": 2,
  "num_key_value_heads": 2, "pad_token_id": 91, "rms_norm_eps": 1e-06, "rope_parameters":
  {"rope_theta": 1000000.0, "rope_type": "default"}, "sliding_window": null,
  "tie_word_embeddings": true, "transformers_version": "5.0.0", "use_cache": false,
  "use_sliding_window": false, "vocab_size": 96})";

constexpr char kR1DistillQwen[] = R"({
  "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 90,
  "eos_token_id": 91, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02,
  "intermediate_size": 64, "max_position_embeddings": 131072, "max_window_layers": 21,
  "model_type": "qwen2", "num_attention_heads": 4, "num_hidden_layers": 2,
  "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 10000, "sliding_window": 4096,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "transformers_version": "4.44.0",
  "use_cache": true, "use_mrope": false, "use_sliding_window": false, "vocab_size": 96})";

constexpr char kQwen3[] = R"({
  "architectures": ["Qwen3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 90, "eos_token_id": 91, "head_dim": 16, "hidden_act": "silu", "hidden_size": 32,
  "initializer_range": 0.02, "intermediate_size": 64, "max_position_embeddings": 40960,
  "max_window_layers": 28, "model_type": "qwen3", "num_attention_heads": 4, "num_hidden_layers": 2,
  "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000,
  "sliding_window": null, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
  "vocab_size": 96})";

constexpr char kQwen3Moe[] = R"({
  "architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 90, "decoder_sparse_step": 1, "eos_token_id": 91, "head_dim": 16,
  "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 64,
  "max_position_embeddings": 40960, "max_window_layers": 48, "mlp_only_layers": [],
  "model_type": "qwen3_moe", "moe_intermediate_size": 24, "norm_topk_prob": true,
  "num_attention_heads": 4, "num_experts": 8, "num_experts_per_tok": 2, "num_hidden_layers": 2,
  "num_key_value_heads": 2, "output_router_logits": false, "rms_norm_eps": 1e-06,
  "rope_scaling": null, "rope_theta": 1000000.0, "router_aux_loss_coef": 0.001,
  "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
  "transformers_version": "4.51.0", "use_cache": true, "use_sliding_window": false,
  "vocab_size": 96})";

constexpr char kSmolLm2[] = R"({
  "architectures": ["LlamaForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "bos_token_id": 1, "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 36,
  "initializer_range": 0.041666666666666664, "intermediate_size": 64, "is_llama_config": true,
  "max_position_embeddings": 8192, "mlp_bias": false, "model_type": "llama",
  "num_attention_heads": 9, "num_hidden_layers": 2, "num_key_value_heads": 3, "pad_token_id": 2,
  "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": false, "rope_scaling": null,
  "rope_theta": 100000, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
  "transformers_version": "4.42.3", "transformers.js_config": {"kv_cache_dtype":
  {"q4f16": "float16", "fp16": "float16"}}, "use_cache": true, "vocab_size": 96})";

constexpr char kDeepseekV2Lite[] = R"({
  "architectures": ["DeepseekV2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV2Config"}, "aux_loss_alpha": 0.001,
  "bos_token_id": 90, "eos_token_id": 91, "ep_size": 1, "first_k_dense_replace": 1,
  "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 64,
  "kv_lora_rank": 12, "max_position_embeddings": 163840, "model_type": "deepseek_v2",
  "moe_intermediate_size": 24, "moe_layer_freq": 1, "n_group": 1, "n_routed_experts": 8,
  "n_shared_experts": 2, "norm_topk_prob": false, "num_attention_heads": 4,
  "num_experts_per_tok": 6, "num_hidden_layers": 2, "num_key_value_heads": 4, "pretraining_tp": 1,
  "q_lora_rank": null, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "rms_norm_eps": 1e-06,
  "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707,
    "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096, "type": "yarn"},
  "rope_theta": 10000, "routed_scaling_factor": 1.0, "scoring_func": "softmax", "seq_aux": true,
  "tie_word_embeddings": false, "topk_group": 1, "topk_method": "greedy",
  "torch_dtype": "bfloat16", "transformers_version": "4.33.1", "use_cache": true, "v_head_dim": 8,
  "vocab_size": 96})";

// DeepSeek-V3 and R1.
constexpr char kDeepseekV3[] = R"({
  "architectures": ["DeepseekV3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
  "auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"}, "bos_token_id": 0,
  "eos_token_id": 1, "ep_size": 1, "first_k_dense_replace": 1, "hidden_act": "silu",
  "hidden_size": 32, "initializer_range": 0.02, "intermediate_size": 64, "kv_lora_rank": 12,
  "max_position_embeddings": 163840, "model_type": "deepseek_v3", "moe_intermediate_size": 24,
  "moe_layer_freq": 1, "n_group": 4, "n_routed_experts": 8, "n_shared_experts": 1,
  "norm_topk_prob": true, "num_attention_heads": 4, "num_experts_per_tok": 4,
  "num_hidden_layers": 2, "num_key_value_heads": 4, "num_nextn_predict_layers": 1,
  "q_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 4,
  "quantization_config": {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8",
    "weight_block_size": [128, 128]},
  "rms_norm_eps": 1e-06, "rope_scaling": {"beta_fast": 32, "beta_slow": 1, "factor": 40,
    "mscale": 1.0, "mscale_all_dim": 1.0, "original_max_position_embeddings": 4096,
    "type": "yarn"},
  "rope_theta": 10000, "routed_scaling_factor": 2.5, "scoring_func": "sigmoid",
  "tie_word_embeddings": false, "topk_group": 2, "topk_method": "noaux_tc",
  "torch_dtype": "bfloat16", "transformers_version": "4.33.1", "use_cache": true, "v_head_dim": 8,
  "vocab_size": 96})";

TEST(PublishedConfigsTest, AllLoad) {
  for (const char* text : {kLlama32, kLlama2, kMistral, kQwen25, kQwen25Saved, kR1DistillQwen,
                           kQwen3, kQwen3Moe, kSmolLm2, kDeepseekV2Lite, kDeepseekV3}) {
    const auto model = ReadHuggingFaceConfig(text, "config.json");
    EXPECT_TRUE(model.ok()) << text << "\n" << model.status();
  }
}

// Mistral 7B v0.1, whose window is shorter than its positions.
TEST(PublishedConfigsTest, AWindowIsNoneForSequencesThatFit) {
  Json json = Json::parse(kMistral);
  json["sliding_window"] = 4096;
  EXPECT_FALSE(ReadHuggingFaceConfig(json.dump(), "config.json").ok());
  EXPECT_TRUE(ReadHuggingFaceConfig(json.dump(), "config.json", /*longest=*/4096).ok());
}

TEST(PublishedConfigsTest, WhatChangesTheResultIsStillRefused) {
  const std::pair<const char*, Json> fields[] = {
      {"use_mrope", true},        {"dual_chunk_attention_config", {{"chunk_size", 262144}}},
      {"logit_scale", 0.0625},    {"embedding_multiplier", 12.0},
      {"no_rope_layers", {1, 0}}, {"is_encoder_decoder", true}};
  for (const auto& [name, value] : fields) {
    Json json = Json::parse(kQwen25);
    json[name] = value;
    EXPECT_FALSE(ReadHuggingFaceConfig(json.dump(), "config.json").ok()) << name;
  }
}

}  // namespace
}  // namespace deduce
