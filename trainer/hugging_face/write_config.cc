#include "trainer/hugging_face/write_config.h"

#include <nlohmann/json.hpp>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "trainer/hugging_face/rope_fields.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

// `PATH: found X, expected Y` unless the rule holds.
absl::Status Expect(bool holds, const std::string& path, const std::string& found,
                    const std::string& expected) {
  if (holds) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path, ": found ", found, ", expected ", expected,
                                                 " in a model that is exported"));
}

Json Shape(const ModelConfig& m) {
  return {{"attention_dropout", 0.0},
          {"dtype", "float32"},
          {"hidden_act", "silu"},
          {"hidden_size", m.hidden_size()},
          {"initializer_range", m.initializer_range()},
          {"intermediate_size", m.intermediate_size()},
          {"max_position_embeddings", m.max_position_embeddings()},
          {"num_attention_heads", m.num_attention_heads()},
          {"num_hidden_layers", m.num_hidden_layers()},
          {"rms_norm_eps", m.rms_norm_eps()},
          {"rope_parameters", WriteRope(m.rope())},
          {"tie_word_embeddings", m.tie_word_embeddings()},
          {"vocab_size", m.vocab_size()}};
}

void Name(Json& json, const char* type, const char* architecture) {
  json["model_type"] = type;
  json["architectures"] = {absl::StrCat(architecture, "ForCausalLM")};
}

void WriteHeads(const ModelConfig& m, Json& json) {
  json["num_key_value_heads"] =
      m.has_num_key_value_heads() ? m.num_key_value_heads() : m.num_attention_heads();
  json["head_dim"] = m.has_head_dim() ? m.head_dim() : m.hidden_size() / m.num_attention_heads();
}

absl::Status WriteDense(const ModelConfig& m, Json& json) {
  WriteHeads(m, json);
  if (m.qk_norm() || m.qkv_bias() == m.o_bias()) {
    RETURN_IF_ERROR(Expect(m.qkv_bias() == m.o_bias(), "model.o_bias",
                           m.o_bias() ? "true" : "false", "what model.qkv_bias is, with qk_norm"));
    RETURN_IF_ERROR(Expect(!m.qk_norm() || !m.mlp_bias(), "model.mlp_bias", "true",
                           "false with model.qk_norm"));
    Name(json, m.qk_norm() ? "qwen3" : "llama", m.qk_norm() ? "Qwen3" : "Llama");
    json["attention_bias"] = m.qkv_bias();
    if (m.mlp_bias()) json["mlp_bias"] = true;
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(Expect(m.qkv_bias() && !m.mlp_bias(), "model.qkv_bias",
                         absl::StrCat(m.qkv_bias() ? "true" : "false", " with other biases"),
                         "that alone, or the biases of Llama"));
  Name(json, "qwen2", "Qwen2");
  return absl::OkStatus();
}

void WriteExperts(const MoeConfig& moe, Json& json) {
  json["moe_intermediate_size"] = moe.moe_intermediate_size();
  json["num_experts_per_tok"] = moe.num_experts_per_tok();
  json["norm_topk_prob"] = moe.norm_topk_prob();
}

absl::Status WriteQwen3Moe(const ModelConfig& m, Json& json) {
  const MoeConfig& moe = m.moe();
  RETURN_IF_ERROR(Expect(m.qk_norm() && m.qkv_bias() == m.o_bias() && !m.mlp_bias(),
                         "model.qk_norm", "another attention or bias than Qwen3's",
                         "Qwen3's with attention GQA and experts"));
  RETURN_IF_ERROR(Expect(moe.scoring_func() == MoeConfig::softmax &&
                             moe.topk_method() == MoeConfig::greedy &&
                             moe.n_shared_experts() == 0 && moe.routed_scaling_factor() == 1,
                         "model.moe", "another routing than Qwen3's",
                         "Qwen3's (softmax, greedy, no shared experts) with attention GQA"));
  Name(json, "qwen3_moe", "Qwen3Moe");
  WriteHeads(m, json);
  WriteExperts(moe, json);
  json["attention_bias"] = m.qkv_bias();
  json["num_experts"] = moe.n_routed_experts();
  std::vector<int64_t> dense(moe.first_k_dense_replace());
  std::iota(dense.begin(), dense.end(), 0);
  json["mlp_only_layers"] = dense;
  json["decoder_sparse_step"] = 1;
  return absl::OkStatus();
}

absl::Status WriteDeepseek(const ModelConfig& m, Json& json) {
  RETURN_IF_ERROR(Expect(m.has_moe(), "model.moe", "nothing", "experts with attention MLA"));
  RETURN_IF_ERROR(Expect(m.qkv_bias() == m.o_bias(), "model.o_bias", m.o_bias() ? "true" : "false",
                         "what model.qkv_bias is, with attention MLA"));
  const MoeConfig& moe = m.moe();
  const bool v3 =
      moe.scoring_func() == MoeConfig::sigmoid && moe.topk_method() == MoeConfig::noaux_tc;
  const bool v2 = moe.scoring_func() == MoeConfig::softmax &&
                  moe.topk_method() != MoeConfig::noaux_tc && !moe.norm_topk_prob() &&
                  m.rope().interleave() && m.num_nextn_predict_layers() == 0;
  RETURN_IF_ERROR(Expect((v3 && !m.mlp_bias()) || v2, "model.moe", "a mixture of routings",
                         "DeepSeek-V2's or V3's with attention MLA"));
  Name(json, v3 ? "deepseek_v3" : "deepseek_v2", v3 ? "DeepseekV3" : "DeepseekV2");
  WriteExperts(moe, json);
  json["attention_bias"] = m.qkv_bias();
  json["num_key_value_heads"] = m.num_attention_heads();
  json["q_lora_rank"] = m.q_lora_rank() > 0 ? Json(m.q_lora_rank()) : Json();
  json["kv_lora_rank"] = m.kv_lora_rank();
  json["qk_nope_head_dim"] = m.qk_nope_head_dim();
  json["qk_rope_head_dim"] = m.qk_rope_head_dim();
  json["v_head_dim"] = m.v_head_dim();
  json["n_routed_experts"] = moe.n_routed_experts();
  json["n_shared_experts"] = moe.n_shared_experts() > 0 ? Json(moe.n_shared_experts()) : Json();
  json["first_k_dense_replace"] = moe.first_k_dense_replace();
  json["routed_scaling_factor"] = moe.routed_scaling_factor();
  json["n_group"] = moe.n_group();
  json["topk_group"] = moe.topk_group();
  if (v3) {
    json["rope_interleave"] = m.rope().interleave();
    json["num_nextn_predict_layers"] = m.num_nextn_predict_layers();
  } else {
    json["mlp_bias"] = m.mlp_bias();
    json["topk_method"] =
        moe.topk_method() == MoeConfig::greedy ? "greedy" : "group_limited_greedy";
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> WriteHuggingFaceConfig(const ModelConfig& model) {
  Json json = Shape(model);
  const bool mla = model.attention() == ModelConfig::MLA;
  RETURN_IF_ERROR(mla               ? WriteDeepseek(model, json)
                  : model.has_moe() ? WriteQwen3Moe(model, json)
                                    : WriteDense(model, json));
  return json.dump(2) + "\n";
}

}  // namespace deduce
