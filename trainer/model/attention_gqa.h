// Grouped-query attention (Ainslie et al. 2023) as Llama has it, with the biases of Qwen2 and the
// norms of Qwen3 where the config asks for them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "configs/model.pb.h"
#include "kernels/rotary.h"
#include "trainer/model/forward_context.h"
#include "trainer/model/parameter.h"
#include "trainer/model/projection.h"

namespace deduce {

class GqaAttention {
 public:
  // prefix: "model.layers.N.self_attn."; table: of head_dim.
  GqaAttention(const ModelConfig& config, int64_t cache_layer, const std::string& prefix,
               const RotaryTable& table, ParameterFactory& factory);

  // x_td [t, d] -> [t, d]. Collective over the context's groups that share tokens or heads.
  at::Tensor Forward(const at::Tensor& x_td, const ForwardContext& context) const;

  static int64_t HeadDim(const ModelConfig& config);
  static int64_t KvHeads(const ModelConfig& config);

 private:
  // x_tn [t, heads * head_dim] -> [t, heads, head_dim], normed and turned.
  at::Tensor Heads(const at::Tensor& x_tn, int64_t heads, const std::optional<ParameterRef>& norm,
                   const ForwardContext& context) const;

  int64_t cache_layer_;
  int64_t heads_;  // of this tensor rank
  int64_t kv_heads_;
  int64_t head_dim_;
  RotaryTable table_;
  double eps_;
  Projection q_proj_, k_proj_, v_proj_, o_proj_;
  std::optional<ParameterRef> q_norm_, k_norm_;  // of every head, [head_dim]
};

}  // namespace deduce
