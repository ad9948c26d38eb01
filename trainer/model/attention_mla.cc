#include "trainer/model/attention_mla.h"

#include <ATen/ops/cat.h>

#include <cmath>

#include "kernels/rms_norm.h"
#include "trainer/model/tensor_axis.h"

namespace deduce {
namespace {

// The epsilon of the latents' norms. DeepSeek's published code leaves it at its norm's default,
// whatever rms_norm_eps says.
constexpr double kLatentEps = 1e-6;

}  // namespace

double MlaAttention::SoftmaxScale(const ModelConfig& config) {
  const double width = config.qk_nope_head_dim() + config.qk_rope_head_dim();
  const double scale = 1 / std::sqrt(width);
  if (!config.rope().has_yarn()) return scale;
  const YarnConfig& yarn = config.rope().yarn();
  const double mscale = YarnMscale(yarn.factor(), yarn.mscale_all_dim());
  return scale * mscale * mscale;
}

MlaAttention::MlaAttention(const ModelConfig& config, int64_t cache_layer,
                           const std::string& prefix, const RotaryTable& table,
                           ParameterFactory& factory)
    : cache_layer_(cache_layer),
      heads_(config.num_attention_heads()),
      nope_(config.qk_nope_head_dim()),
      rope_(config.qk_rope_head_dim()),
      value_dim_(config.v_head_dim()),
      q_rank_(config.q_lora_rank()),
      kv_rank_(config.kv_lora_rank()),
      softmax_scale_(SoftmaxScale(config)),
      table_(table),
      pairing_(config.rope().interleave() ? RotaryPairing::kInterleaved : RotaryPairing::kHalves) {
  const int64_t hidden = config.hidden_size();
  const int64_t q_width = heads_ * (nope_ + rope_);
  if (q_rank_ == 0) {
    q_proj_ = Projection(prefix + "q_proj", q_width, hidden, false, factory, SplitBy::kRows);
  } else {
    q_a_proj_ = Projection(prefix + "q_a_proj", q_rank_, hidden, config.qkv_bias(), factory);
    q_a_norm_ = factory.Norm(prefix + "q_a_layernorm.weight", q_rank_);
    q_b_proj_ = Projection(prefix + "q_b_proj", q_width, q_rank_, false, factory, SplitBy::kRows);
  }
  kv_a_proj_ = Projection(prefix + "kv_a_proj_with_mqa", kv_rank_ + rope_, hidden,
                          config.qkv_bias(), factory);
  kv_a_norm_ = factory.Norm(prefix + "kv_a_layernorm.weight", kv_rank_);
  kv_b_proj_ = Projection(prefix + "kv_b_proj", heads_ * (nope_ + value_dim_), kv_rank_, false,
                          factory, SplitBy::kRows);
  o_proj_ = Projection(prefix + "o_proj", hidden, heads_ * value_dim_, config.o_bias(), factory,
                       SplitBy::kColumns);
  heads_ /= factory.tensor_ranks();
}

at::Tensor MlaAttention::Queries(const at::Tensor& x_td, const ForwardContext& context) const {
  const at::Tensor in_td =
      q_rank_ == 0 ? x_td : RmsNorm(q_a_proj_.Forward(x_td), q_a_norm_.leaf(), kLatentEps);
  const at::Tensor flat =
      (q_rank_ == 0 ? q_proj_ : q_b_proj_).Forward(GatherTokens(in_td, context));
  const auto parts =
      flat.view({flat.size(0), heads_, nope_ + rope_}).split_with_sizes({nope_, rope_}, 2);
  return at::cat({parts[0], ApplyRotary(parts[1], context.positions_t, table_, pairing_)}, 2);
}

at::Tensor MlaAttention::Forward(const at::Tensor& x_td, const ForwardContext& context) const {
  const at::Tensor q_thk = Queries(x_td, context);
  const int64_t t = q_thk.size(0);
  const auto compressed = kv_a_proj_.Forward(x_td).split_with_sizes({kv_rank_, rope_}, 1);
  const at::Tensor latent_td =
      GatherTokens(RmsNorm(compressed[0], kv_a_norm_.leaf(), kLatentEps), context);
  const at::Tensor k_rope_t1k = ApplyRotary(GatherTokens(compressed[1], context).unsqueeze(1),
                                            context.positions_t, table_, pairing_);
  const auto expanded = kv_b_proj_.Forward(latent_td)
                            .view({t, heads_, nope_ + value_dim_})
                            .split_with_sizes({nope_, value_dim_}, 2);
  const at::Tensor k_thk = at::cat({expanded[0], k_rope_t1k.expand({t, heads_, rope_})}, 2);
  const at::Tensor out_thv =
      Attend(context, cache_layer_, q_thk, k_thk, expanded[1].contiguous(), softmax_scale_);
  return o_proj_.ForwardColumns(out_thv.reshape({t, heads_ * value_dim_}), context);
}

}  // namespace deduce
