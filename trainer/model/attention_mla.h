// Multi-head latent attention (DeepSeek-V3 report, equations 1 to 11), in its expanded form.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "configs/model.pb.h"
#include "kernels/rotary.h"
#include "trainer/model/forward_context.h"
#include "trainer/model/parameter.h"
#include "trainer/model/projection.h"

namespace deduce {

class MlaAttention {
 public:
  // prefix: "model.layers.N.self_attn."; table: of qk_rope_head_dim.
  MlaAttention(const ModelConfig& config, int64_t cache_layer, const std::string& prefix,
               const RotaryTable& table, ParameterFactory& factory);

  // x_td [t, d] -> [t, d]. Collective over the context's groups that share tokens or heads. Latents
  // are made where a token is, and gathered.
  at::Tensor Forward(const at::Tensor& x_td, const ForwardContext& context) const;

  // (nope + rope)^-0.5, times YarnMscale(factor, mscale_all_dim)^2 with YaRN.
  static double SoftmaxScale(const ModelConfig& config);

 private:
  at::Tensor Queries(const at::Tensor& x_td, const ForwardContext& context) const;

  int64_t cache_layer_;
  int64_t heads_;  // of this tensor rank
  int64_t nope_;
  int64_t rope_;
  int64_t value_dim_;
  int64_t q_rank_;  // 0: queries are projected directly
  int64_t kv_rank_;
  double softmax_scale_;
  RotaryTable table_;
  RotaryPairing pairing_;
  Projection q_proj_;               // without q_rank_
  Projection q_a_proj_, q_b_proj_;  // with it
  ParameterRef q_a_norm_;
  Projection kv_a_proj_, kv_b_proj_, o_proj_;
  ParameterRef kv_a_norm_;
};

}  // namespace deduce
