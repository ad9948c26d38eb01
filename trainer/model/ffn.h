// The gated feed-forward layer (SwiGLU): of dense blocks and of shared experts.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "trainer/model/parameter.h"
#include "trainer/model/projection.h"

namespace deduce {

class Ffn {
 public:
  // prefix: "model.layers.N.mlp." or "...mlp.shared_experts.". split: the tensor axis splits the
  // width.
  Ffn(int64_t hidden, int64_t width, bool bias, const std::string& prefix,
      ParameterFactory& factory, bool split = false);

  // x_td [t, d] -> down(silu(gate(x)) * up(x)), [t, d]
  at::Tensor Forward(const at::Tensor& x_td) const { return Down(Hidden(x_td)); }

  // The same where the width is split, of which every rank has its part for all tokens meanwhile.
  // Collective over the tensor group, as tensor_axis.h has it.
  at::Tensor Forward(const at::Tensor& x_td, const ForwardContext& context) const;

  // Its two halves: [t, d] -> [t, f] -> [t, d].
  at::Tensor Hidden(const at::Tensor& x_td) const;
  at::Tensor Down(const at::Tensor& hidden_tf) const { return down_proj_.Forward(hidden_tf); }

 private:
  Projection gate_proj_, up_proj_, down_proj_;
};

}  // namespace deduce
