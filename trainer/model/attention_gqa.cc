#include "trainer/model/attention_gqa.h"

#include <cmath>

#include "kernels/linear.h"

namespace deduce {

int64_t GqaAttention::HeadDim(const ModelConfig& config) {
  return config.has_head_dim() ? config.head_dim()
                               : config.hidden_size() / config.num_attention_heads();
}

int64_t GqaAttention::KvHeads(const ModelConfig& config) {
  return config.has_num_key_value_heads() ? config.num_key_value_heads()
                                          : config.num_attention_heads();
}

GqaAttention::GqaAttention(const ModelConfig& config, int64_t layer, const std::string& prefix,
                           const RotaryTable& table, ParameterFactory& factory)
    : layer_(layer),
      heads_(config.num_attention_heads()),
      kv_heads_(KvHeads(config)),
      head_dim_(HeadDim(config)),
      table_(table) {
  const int64_t hidden = config.hidden_size();
  q_proj_ = factory.Matrix(prefix + "q_proj.weight", heads_ * head_dim_, hidden);
  k_proj_ = factory.Matrix(prefix + "k_proj.weight", kv_heads_ * head_dim_, hidden);
  v_proj_ = factory.Matrix(prefix + "v_proj.weight", kv_heads_ * head_dim_, hidden);
  o_proj_ = factory.Matrix(prefix + "o_proj.weight", hidden, heads_ * head_dim_);
}

at::Tensor GqaAttention::Forward(const at::Tensor& x_td, const ForwardContext& context) const {
  const int64_t t = x_td.size(0);
  const at::Tensor q_thk = ApplyRotary(Linear(x_td, q_proj_.leaf()).view({t, heads_, head_dim_}),
                                       context.positions_t, table_, RotaryPairing::kHalves);
  const at::Tensor k_tgk = ApplyRotary(Linear(x_td, k_proj_.leaf()).view({t, kv_heads_, head_dim_}),
                                       context.positions_t, table_, RotaryPairing::kHalves);
  const at::Tensor v_tgk = Linear(x_td, v_proj_.leaf()).view({t, kv_heads_, head_dim_});
  const at::Tensor out_thk =
      Attend(context, layer_, q_thk, k_tgk, v_tgk, 1 / std::sqrt(static_cast<double>(head_dim_)));
  return Linear(out_thk.reshape({t, heads_ * head_dim_}), o_proj_.leaf());
}

}  // namespace deduce
