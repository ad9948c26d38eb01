// Grouped-query attention (Ainslie et al. 2023) as Llama has it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "configs/config.pb.h"
#include "kernels/rotary.h"
#include "trainer/model/forward_context.h"
#include "trainer/model/parameter.h"

namespace deduce {

class GqaAttention {
 public:
  // prefix: "model.layers.N.self_attn."; table: of head_dim.
  GqaAttention(const ModelConfig& config, int64_t layer, const std::string& prefix,
               const RotaryTable& table, ParameterFactory& factory);

  // x_td [t, d] -> [t, d]
  at::Tensor Forward(const at::Tensor& x_td, const ForwardContext& context) const;

  static int64_t HeadDim(const ModelConfig& config);
  static int64_t KvHeads(const ModelConfig& config);

 private:
  int64_t layer_;
  int64_t heads_;
  int64_t kv_heads_;
  int64_t head_dim_;
  RotaryTable table_;
  ParameterRef q_proj_, k_proj_, v_proj_, o_proj_;
};

}  // namespace deduce
