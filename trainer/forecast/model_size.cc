#include "trainer/forecast/model_size.h"

#include "trainer/model/attention_gqa.h"

namespace deduce {
namespace {

// Adds split parameters to `kind`, one of the members of `size`.
void AddSplit(int64_t count, int64_t& kind, PartSize& size) {
  kind += count;
  size.split += count;
}

void AddAttention(const ModelConfig& c, PartSize& size) {
  const int64_t d = c.hidden_size(), heads = c.num_attention_heads();
  if (c.o_bias()) size.vectors += d;
  if (c.attention() == ModelConfig::MLA) {
    const int64_t nope = heads * c.qk_nope_head_dim(), value = heads * c.v_head_dim();
    const int64_t query = nope + heads * c.qk_rope_head_dim();
    const int64_t q_rank = c.q_lora_rank(), kv_rank = c.kv_lora_rank();
    const int64_t kv_in = kv_rank + c.qk_rope_head_dim();
    size.dense += q_rank == 0 ? 0 : d * q_rank;
    size.dense += d * kv_in;
    AddSplit((q_rank == 0 ? d : q_rank) * query + kv_rank * (nope + value) + value * d, size.dense,
             size);
    size.vectors += q_rank + kv_rank + (c.qkv_bias() ? q_rank + kv_in : 0);
    return;
  }
  const int64_t width = GqaAttention::HeadDim(c);
  const int64_t query = heads * width, kv = GqaAttention::KvHeads(c) * width;
  AddSplit(d * (query + 2 * kv) + query * d, size.dense, size);
  if (c.qkv_bias()) AddSplit(query + 2 * kv, size.vectors, size);
  if (c.qk_norm()) size.vectors += 2 * width;
}

void AddFfn(const ModelConfig& c, int64_t width, PartSize& size) {
  size.dense += 3 * c.hidden_size() * width;
  if (c.mlp_bias() && width > 0) size.vectors += 2 * width + c.hidden_size();
}

// Adds a dense layer, whose width the tensor axis splits; the bias of its result is whole.
void AddDenseFfn(const ModelConfig& c, PartSize& size) {
  const PartSize before = size;
  AddFfn(c, c.intermediate_size(), size);
  size.split += size.dense - before.dense + size.vectors - before.vectors;
  if (c.mlp_bias() && c.intermediate_size() > 0) size.split -= c.hidden_size();
}

// With its two norms.
void AddLayer(const ModelConfig& c, bool routed, PartSize& size) {
  const int64_t d = c.hidden_size();
  AddAttention(c, size);
  size.vectors += 2 * d;
  if (!routed) return AddDenseFfn(c, size);
  const MoeConfig& moe = c.moe();
  const int64_t width = moe.moe_intermediate_size();
  AddFfn(c, moe.n_shared_experts() * width, size);
  size.dense += moe.n_routed_experts() * d;
  size.experts += moe.n_routed_experts() * 3 * d * width;
}

bool IsRouted(const ModelConfig& c, int64_t layer) {
  return c.has_moe() && layer >= c.moe().first_k_dense_replace();
}

// Elements of matrices that a token of a part is multiplied with, without embedding and head.
int64_t ActiveSize(const ModelConfig& c, const PartSize& size) {
  if (!c.has_moe()) return size.dense;
  return size.dense + size.experts / c.moe().n_routed_experts() * c.moe().num_experts_per_tok();
}

// 2 * (query with key + probability with value) over half of the keys.
double AttentionFlops(const ModelConfig& c, double sequence_length) {
  const bool mla = c.attention() == ModelConfig::MLA;
  const int64_t key = mla ? c.qk_nope_head_dim() + c.qk_rope_head_dim() : GqaAttention::HeadDim(c);
  const int64_t value = mla ? c.v_head_dim() : GqaAttention::HeadDim(c);
  return static_cast<double>(2 * c.num_attention_heads() * (key + value)) * sequence_length / 2;
}

ModelConfig MainModel(ModelConfig config) {
  config.set_num_nextn_predict_layers(0);
  return config;
}

}  // namespace

PartSize SizeOfPart(const ModelConfig& config, const ModelPart& part) {
  const int64_t d = config.hidden_size(), matrix = config.vocab_size() * d;
  PartSize size;
  if (part.first || (part.last && SharesEmbedding(config))) size.embedding = matrix;
  for (int64_t i = 0; i < part.num_layers; ++i)
    AddLayer(config, IsRouted(config, part.first_layer + i), size);
  if (!part.last) return size;
  size.vectors += d;
  if (!config.tie_word_embeddings()) size.head = matrix;
  if (config.num_nextn_predict_layers() > 0) {
    AddLayer(config, IsRouted(config, config.num_hidden_layers()), size);
    size.dense += 2 * d * d;  // the projection of both its inputs
    size.vectors += 3 * d;
  }
  return size;
}

int64_t NumMainParameters(const ModelConfig& config) {
  return SizeOfPart(MainModel(config), WholeModel(config)).total();
}

int64_t NumActiveParameters(const ModelConfig& config) {
  const PartSize size = SizeOfPart(MainModel(config), WholeModel(config));
  return ActiveSize(config, size) + config.vocab_size() * config.hidden_size();
}

PartFlops ForwardFlops(const ModelConfig& config, const ModelPart& part, double sequence_length) {
  const double head = static_cast<double>(config.vocab_size() * config.hidden_size());
  const double modules = part.last ? static_cast<double>(config.num_nextn_predict_layers()) : 0;
  const double heads = part.last ? 1 + modules : 0;
  const double layers = static_cast<double>(part.num_layers) + modules;
  const double active = static_cast<double>(ActiveSize(config, SizeOfPart(config, part)));
  PartSize attention;
  AddAttention(config, attention);
  return {.products = 2 * (active + heads * head),
          .attention = layers * AttentionFlops(config, sequence_length),
          .attention_products = 2 * layers * static_cast<double>(attention.dense)};
}

double TrainingFlops(const ModelConfig& config, double sequence_length) {
  return 6 * static_cast<double>(NumActiveParameters(config)) +
         3 * static_cast<double>(config.num_hidden_layers()) *
             AttentionFlops(config, sequence_length);
}

}  // namespace deduce
