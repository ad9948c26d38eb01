#include "trainer/hugging_face/model_config.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "configs/validate.h"
#include "data/text/strict_json.h"
#include "trainer/hugging_face/config_fields.h"
#include "trainer/hugging_face/rope_fields.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostPositions = int64_t{1} << 22;

// Fields that neither forward nor backward depends on: how the file came about, how a program runs
// the model, and old settings of generation, which belong into generation_config.json.
constexpr const char* kHarmless[] = {
    // Bookkeeping.
    "_commit_hash", "_name_or_path", "auto_map", "finetuning_task", "id2label", "is_llama_config",
    "label2id", "model_type", "name_or_path", "prefix", "problem_type", "task_specific_params",
    "tokenizer_class", "transformers.js_config", "transformers_version", "unsloth_fixed",
    "unsloth_version",
    // Special tokens.
    "bos_token_id", "decoder_start_token_id", "eos_token_id", "forced_bos_token_id",
    "forced_eos_token_id", "pad_token_id", "sep_token_id", "unk_token_id",
    // How a program runs it.
    "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal",
    "_experts_implementation", "_flash_attn_2_enabled", "attn_implementation", "dtype", "ep_size",
    "gradient_checkpointing", "is_decoder", "model_max_length", "num_logits_to_keep",
    "output_attentions", "output_hidden_states", "output_router_logits", "pretraining_tp",
    "return_dict", "torch_dtype", "torchscript", "use_cache", "use_flash_attn",
    "use_flash_attention_2",
    // Losses that stages choose by themselves.
    "aux_loss_alpha", "router_aux_loss_coef", "router_z_loss_coef", "seq_aux",
    // Generation.
    "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "length_penalty",
    "max_length", "max_new_tokens", "min_length", "min_new_tokens", "min_p", "no_repeat_ngram_size",
    "num_beam_groups", "num_beams", "num_return_sequences", "output_scores",
    "remove_invalid_values", "repetition_penalty", "return_dict_in_generate", "suppress_tokens",
    "temperature", "top_k", "top_p", "typical_p"};

// A field that must be there, because its absence and null mean different things.
int64_t IntegerOrNull(ConfigFields& f, const std::string& name, bool mentioned, int64_t if_null) {
  if (!mentioned) f.Refuse(name, "a whole number or null");
  return f.Integer(name, if_null);
}

void ReadShape(ConfigFields& f, ModelConfig& m) {
  m.set_vocab_size(f.Integer("vocab_size"));
  m.set_hidden_size(f.Integer("hidden_size"));
  m.set_intermediate_size(f.Integer("intermediate_size"));
  m.set_num_hidden_layers(f.Integer("num_hidden_layers"));
  m.set_num_attention_heads(f.Integer("num_attention_heads"));
  m.set_max_position_embeddings(f.Integer("max_position_embeddings"));
  m.set_rms_norm_eps(f.Real("rms_norm_eps", 1e-6));
  m.set_initializer_range(f.Real("initializer_range", 0.02));
  m.set_tie_word_embeddings(f.Bool("tie_word_embeddings", false));
  *m.mutable_rope() = ReadRope(f, m.max_position_embeddings());
  f.Require("hidden_act", "silu");
  f.Require("attention_dropout", 0.0);
  f.Require("rope_interleaved", false);
}

// The folder's own description of DeepSeek's FP8 format; other formats are not read.
void CheckQuantization(ConfigFields& f) {
  const Json* json = f.Object("quantization_config");
  if (json == nullptr) return;
  ConfigFields q(*json, absl::StrCat(f.where(), ": quantization_config"));
  q.Require("quant_method", "fp8");
  q.Require("fmt", "e4m3");
  q.Require("weight_block_size", Json::array({128, 128}));
  q.Ignore({"activation_scheme", "scale_fmt", "modules_to_not_convert"});
  f.Fail(q.Finish());
}

void ReadGqa(ConfigFields& f, ModelConfig& m) {
  m.set_attention(ModelConfig::GQA);
  if (f.Has("head_dim")) m.set_head_dim(f.Integer("head_dim"));
  f.Ignore({"head_dim"});
}

// A window that no sequence can outgrow is none. `m` has as many positions as are used.
bool WindowMatters(ConfigFields& f, const ModelConfig& m, int64_t if_absent) {
  return f.Integer("sliding_window", if_absent) < m.max_position_embeddings();
}

void RefuseWindow(ConfigFields& f, const ModelConfig& m) {
  f.Refuse("sliding_window",
           absl::StrCat("null, or at least max_position_embeddings (", m.max_position_embeddings(),
                        "), which a run may lower in model.max_position_embeddings"));
}

bool AllAre(const Json& list, const char* kind) {
  return list.is_array() &&
         std::all_of(list.begin(), list.end(), [&](const Json& entry) { return entry == kind; });
}

// Layers that see everything, or a window that no sequence can outgrow.
void CheckLayerTypes(ConfigFields& f, const ModelConfig& m) {
  const Json& types = f.Any("layer_types");
  if (types.is_null() || AllAre(types, "full_attention")) return;
  if (f.Has("sliding_window") && !WindowMatters(f, m, 0)) return;
  f.Refuse("layer_types", "full_attention only");
}

// Qwen's windows: switched off, or only in layers beyond the last.
void CheckQwenWindow(ConfigFields& f, const ModelConfig& m) {
  f.Ignore({"sliding_window", "max_window_layers"});
  const bool used = f.Bool("use_sliding_window", false) && f.Has("sliding_window");
  const bool all_full = AllAre(f.Any("layer_types"), "full_attention");
  if (used && !all_full && WindowMatters(f, m, 0)) RefuseWindow(f, m);
}

void ReadLlama(ConfigFields& f, const Json&, ModelConfig& m) {
  ReadGqa(f, m);
  m.set_num_key_value_heads(f.Integer("num_key_value_heads", m.num_attention_heads()));
  const bool bias = f.Bool("attention_bias", false);
  m.set_qkv_bias(bias);
  m.set_o_bias(bias);
  m.set_mlp_bias(f.Bool("mlp_bias", false));
}

void ReadMistral(ConfigFields& f, const Json& json, ModelConfig& m) {
  ReadGqa(f, m);
  m.set_num_key_value_heads(f.Integer("num_key_value_heads"));
  constexpr int64_t kWindowOfTransformers = 4096;  // where a file does not mention it
  const bool none = json.contains("sliding_window") && json["sliding_window"].is_null();
  if (none) return f.Ignore({"sliding_window"});
  if (WindowMatters(f, m, kWindowOfTransformers)) RefuseWindow(f, m);
}

void ReadQwen2(ConfigFields& f, const Json&, ModelConfig& m) {
  ReadGqa(f, m);
  m.set_num_key_value_heads(f.Integer("num_key_value_heads"));
  m.set_qkv_bias(true);
  CheckQwenWindow(f, m);
}

void ReadQwen3(ConfigFields& f, const Json&, ModelConfig& m) {
  ReadGqa(f, m);
  if (!m.has_head_dim()) f.Refuse("head_dim", "a whole number");
  m.set_num_key_value_heads(f.Integer("num_key_value_heads"));
  const bool bias = f.Bool("attention_bias", false);
  m.set_qkv_bias(bias);
  m.set_o_bias(bias);
  m.set_qk_norm(true);
  CheckQwenWindow(f, m);
}

// The number of dense layers when those are the first ones; others are refused.
int64_t FirstDenseLayers(ConfigFields& f) {
  const Json& layers = f.Any("mlp_only_layers");
  if (layers.is_null()) return 0;
  const auto dense = static_cast<int64_t>(layers.size());
  for (int64_t i = 0; i < dense; ++i) {
    if (!layers.is_array() || layers[i] != i) {
      f.Refuse("mlp_only_layers", "the first layers, in order");
      return 0;
    }
  }
  return dense;
}

void ReadQwen3Moe(ConfigFields& f, const Json& json, ModelConfig& m) {
  ReadQwen3(f, json, m);
  MoeConfig& moe = *m.mutable_moe();
  // Two names of one field.
  const char* name = f.Has("num_experts") ? "num_experts" : "num_local_experts";
  moe.set_n_routed_experts(f.Integer(name));
  f.Require("num_local_experts", moe.n_routed_experts());
  moe.set_n_shared_experts(0);
  moe.set_num_experts_per_tok(f.Integer("num_experts_per_tok"));
  moe.set_moe_intermediate_size(f.Integer("moe_intermediate_size"));
  moe.set_norm_topk_prob(f.Bool("norm_topk_prob", false));
  moe.set_scoring_func(MoeConfig::softmax);
  moe.set_topk_method(MoeConfig::greedy);
  moe.set_first_k_dense_replace(FirstDenseLayers(f));
  f.Require("decoder_sparse_step", 1);
}

void ReadMla(ConfigFields& f, const Json& json, ModelConfig& m) {
  m.set_attention(ModelConfig::MLA);
  m.set_q_lora_rank(IntegerOrNull(f, "q_lora_rank", json.contains("q_lora_rank"), 0));
  m.set_kv_lora_rank(f.Integer("kv_lora_rank"));
  m.set_qk_nope_head_dim(f.Integer("qk_nope_head_dim"));
  m.set_qk_rope_head_dim(f.Integer("qk_rope_head_dim"));
  m.set_v_head_dim(f.Integer("v_head_dim"));
  const bool bias = f.Bool("attention_bias", false);
  m.set_qkv_bias(bias);
  m.set_o_bias(bias);
  f.Require("num_key_value_heads", m.num_attention_heads());
  f.Require("head_dim", m.qk_rope_head_dim());
  f.Require("qk_head_dim", m.qk_nope_head_dim() + m.qk_rope_head_dim());

  MoeConfig& moe = *m.mutable_moe();
  moe.set_n_routed_experts(f.Integer("n_routed_experts"));
  moe.set_n_shared_experts(
      IntegerOrNull(f, "n_shared_experts", json.contains("n_shared_experts"), 0));
  moe.set_num_experts_per_tok(f.Integer("num_experts_per_tok"));
  moe.set_moe_intermediate_size(f.Integer("moe_intermediate_size"));
  moe.set_first_k_dense_replace(f.Integer("first_k_dense_replace"));
  moe.set_routed_scaling_factor(f.Real("routed_scaling_factor"));
  f.Require("moe_layer_freq", 1);
}

void ReadDeepseekV2(ConfigFields& f, const Json& json, ModelConfig& m) {
  ReadMla(f, json, m);
  m.set_mlp_bias(f.Bool("mlp_bias", false));
  MoeConfig& moe = *m.mutable_moe();
  f.Require("scoring_func", "softmax");
  moe.set_scoring_func(MoeConfig::softmax);
  f.Require("norm_topk_prob", false);  // implementations disagree about true
  moe.set_norm_topk_prob(false);
  const std::string method = f.Text("topk_method", "greedy");
  if (method == "greedy") {
    moe.set_topk_method(MoeConfig::greedy);
    f.Ignore({"n_group", "topk_group"});
  } else if (method == "group_limited_greedy") {
    moe.set_topk_method(MoeConfig::group_limited_greedy);
    moe.set_n_group(f.Integer("n_group"));
    moe.set_topk_group(f.Integer("topk_group"));
  } else {
    f.Refuse("topk_method", "greedy or group_limited_greedy");
  }
}

void ReadDeepseekV3(ConfigFields& f, const Json& json, ModelConfig& m) {
  ReadMla(f, json, m);
  m.mutable_rope()->set_interleave(f.Bool("rope_interleave", true));
  const char* name = f.Has("num_mtp_layers") ? "num_mtp_layers" : "num_nextn_predict_layers";
  m.set_num_nextn_predict_layers(f.Integer(name, 0));
  f.Require("num_nextn_predict_layers", m.num_nextn_predict_layers());
  MoeConfig& moe = *m.mutable_moe();
  f.Require("scoring_func", "sigmoid");
  f.Require("topk_method", "noaux_tc");
  moe.set_norm_topk_prob(f.Bool("norm_topk_prob", true));
  moe.set_n_group(f.Integer("n_group"));
  moe.set_topk_group(f.Integer("topk_group"));
}

struct Family {
  const char* architecture;
  void (*read)(ConfigFields&, const Json&, ModelConfig&);
};

const std::map<std::string, Family>& Families() {
  static const std::map<std::string, Family> kFamilies = {
      {"llama", {"LlamaForCausalLM", ReadLlama}},
      {"mistral", {"MistralForCausalLM", ReadMistral}},
      {"qwen2", {"Qwen2ForCausalLM", ReadQwen2}},
      {"qwen3", {"Qwen3ForCausalLM", ReadQwen3}},
      {"qwen3_moe", {"Qwen3MoeForCausalLM", ReadQwen3Moe}},
      {"deepseek_v2", {"DeepseekV2ForCausalLM", ReadDeepseekV2}},
      {"deepseek_v3", {"DeepseekV3ForCausalLM", ReadDeepseekV3}}};
  return kFamilies;
}

}  // namespace

absl::StatusOr<ModelConfig> ReadHuggingFaceConfig(const std::string& text, const std::string& path,
                                                  std::optional<int64_t> longest) {
  ASSIGN_OR_RETURN(const Json json, ParseJsonObject(text, path));
  ConfigFields fields(json, path);
  const auto family = Families().find(fields.Text("model_type", ""));
  if (family == Families().end()) {
    fields.Refuse("model_type",
                  "llama, mistral, qwen2, qwen3, qwen3_moe, deepseek_v2 or deepseek_v3");
    return fields.status();
  }
  fields.Require("architectures", Json::array({family->second.architecture}));
  for (const char* name : kHarmless) fields.Ignore({name});
  fields.Require("is_causal", true);
  ModelConfig model;
  ReadShape(fields, model);
  CheckQuantization(fields);
  const int64_t positions = model.max_position_embeddings();
  model.set_max_position_embeddings(std::min(positions, longest.value_or(positions)));
  CheckLayerTypes(fields, model);
  family->second.read(fields, json, model);
  model.set_max_position_embeddings(positions);
  // Tables of angles are of this length, and nothing in the weights says whether it is sane.
  if (positions > kMostPositions) {
    fields.Refuse("max_position_embeddings", absl::StrCat("at most ", kMostPositions));
  }
  RETURN_IF_ERROR(fields.Finish());
  if (absl::Status status = ValidateModel(model); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
  }
  return model;
}

}  // namespace deduce
