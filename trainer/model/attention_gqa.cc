#include "trainer/model/attention_gqa.h"

#include <cmath>

#include "kernels/rms_norm.h"
#include "trainer/model/tensor_axis.h"

namespace deduce {

int64_t GqaAttention::HeadDim(const ModelConfig& config) {
  return config.has_head_dim() ? config.head_dim()
                               : config.hidden_size() / config.num_attention_heads();
}

int64_t GqaAttention::KvHeads(const ModelConfig& config) {
  return config.has_num_key_value_heads() ? config.num_key_value_heads()
                                          : config.num_attention_heads();
}

GqaAttention::GqaAttention(const ModelConfig& config, int64_t cache_layer,
                           const std::string& prefix, const RotaryTable& table,
                           ParameterFactory& factory)
    : cache_layer_(cache_layer),
      heads_(config.num_attention_heads()),
      kv_heads_(KvHeads(config)),
      head_dim_(HeadDim(config)),
      table_(table),
      eps_(config.rms_norm_eps()),
      q_proj_(prefix + "q_proj", heads_ * head_dim_, config.hidden_size(), config.qkv_bias(),
              factory, SplitBy::kRows),
      k_proj_(prefix + "k_proj", kv_heads_ * head_dim_, config.hidden_size(), config.qkv_bias(),
              factory, SplitBy::kRows),
      v_proj_(prefix + "v_proj", kv_heads_ * head_dim_, config.hidden_size(), config.qkv_bias(),
              factory, SplitBy::kRows),
      o_proj_(prefix + "o_proj", config.hidden_size(), heads_ * head_dim_, config.o_bias(), factory,
              SplitBy::kColumns) {
  heads_ /= factory.tensor_ranks();
  kv_heads_ /= factory.tensor_ranks();
  if (!config.qk_norm()) return;
  q_norm_ = factory.Norm(prefix + "q_norm.weight", head_dim_);
  k_norm_ = factory.Norm(prefix + "k_norm.weight", head_dim_);
}

at::Tensor GqaAttention::Heads(const at::Tensor& x_tn, int64_t heads,
                               const std::optional<ParameterRef>& norm,
                               const ForwardContext& context) const {
  const at::Tensor x = norm ? RmsNorm(x_tn.reshape({-1, head_dim_}), norm->leaf(), eps_) : x_tn;
  return ApplyRotary(x.view({x_tn.size(0), heads, head_dim_}), context.positions_t, table_,
                     RotaryPairing::kHalves);
}

at::Tensor GqaAttention::Forward(const at::Tensor& x_td, const ForwardContext& context) const {
  const at::Tensor all_td = GatherTokens(x_td, context);
  const int64_t t = all_td.size(0);
  const auto qkv_tn = Projection::ForwardEach(all_td, {&q_proj_, &k_proj_, &v_proj_});
  const at::Tensor q_thk = Heads(qkv_tn[0], heads_, q_norm_, context);
  const at::Tensor k_tgk = Heads(qkv_tn[1], kv_heads_, k_norm_, context);
  const at::Tensor v_tgk = qkv_tn[2].view({t, kv_heads_, head_dim_});
  const at::Tensor out_thk = Attend(context, cache_layer_, q_thk, k_tgk, v_tgk,
                                    1 / std::sqrt(static_cast<double>(head_dim_)));
  return o_proj_.ForwardColumns(out_thk.reshape({t, heads_ * head_dim_}), context);
}

}  // namespace deduce
