#include "trainer/model/block.h"

#include "kernels/backward/recompute.h"
#include "kernels/rms_norm.h"

namespace deduce {
namespace {

std::string LayerPrefix(int64_t layer) { return "model.layers." + std::to_string(layer) + "."; }

std::variant<GqaAttention, MlaAttention> MakeAttention(int64_t layer, int64_t cache_layer,
                                                       const BlockParts& parts) {
  const std::string prefix = LayerPrefix(layer) + "self_attn.";
  if (parts.config.attention() == ModelConfig::MLA) {
    return MlaAttention(parts.config, cache_layer, prefix, parts.table, parts.factory);
  }
  return GqaAttention(parts.config, cache_layer, prefix, parts.table, parts.factory);
}

std::variant<Ffn, Moe> MakeFfn(int64_t layer, const BlockParts& parts) {
  const std::string prefix = LayerPrefix(layer) + "mlp.";
  const ModelConfig& config = parts.config;
  if (!config.has_moe() || layer < config.moe().first_k_dense_replace()) {
    return Ffn(config.hidden_size(), config.intermediate_size(), config.mlp_bias(), prefix,
               parts.factory, /*split=*/true);
  }
  const int64_t routed_layer = parts.num_routed_layers++;
  return Moe(config, routed_layer, prefix, parts.factory, parts.buffers, parts.placements,
             *parts.groups.experts);
}

}  // namespace

Block::Block(int64_t layer, int64_t cache_layer, const BlockParts& parts)
    : eps_(parts.config.rms_norm_eps()),
      input_norm_(parts.factory.Norm(LayerPrefix(layer) + "input_layernorm.weight",
                                     parts.config.hidden_size())),
      attention_(MakeAttention(layer, cache_layer, parts)),
      post_attention_norm_(parts.factory.Norm(
          LayerPrefix(layer) + "post_attention_layernorm.weight", parts.config.hidden_size())),
      ffn_(MakeFfn(layer, parts)) {}

at::Tensor Block::Attention(const at::Tensor& x_td, ForwardContext& context) const {
  const at::Tensor normed_td = RmsNorm(x_td, input_norm_.leaf(), eps_);
  return std::visit([&](const auto& attention) { return attention.Forward(normed_td, context); },
                    attention_);
}

at::Tensor Block::Forward(const at::Tensor& x_td, ForwardContext& context) const {
  const at::Tensor attended_td = x_td.add(
      context.recompute_attention
          ? Recomputed(x_td, [this, again = context.ForAttention()](
                                 const at::Tensor& x) mutable { return Attention(x, again); })
          : Attention(x_td, context));
  const at::Tensor ffn_in_td = RmsNorm(attended_td, post_attention_norm_.leaf(), eps_);
  if (const Moe* moe = std::get_if<Moe>(&ffn_)) {
    return attended_td.add(moe->Forward(ffn_in_td, context));
  }
  return attended_td.add(std::get<Ffn>(ffn_).Forward(ffn_in_td, context));
}

}  // namespace deduce
