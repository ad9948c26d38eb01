// The multi-token prediction module (DeepSeek-V3 report, equations 21 to 23), depth 1, sharing the
// embedding and the head, under the names of DeepSeek's released files.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "trainer/model/block.h"

namespace deduce {

class Mtp {
 public:
  // layer: num_hidden_layers of the model, the module's own number.
  Mtp(int64_t layer, const BlockParts& parts);

  // Collective over the expert group if the block is routed. hidden_td [t, d]: of token i before
  // the final norm; next_embedding_td: of token i + 1. Returns [t, d] after the module's norm: row
  // i predicts token i + 2. The last rows of a sequence carry no meaning.
  at::Tensor Forward(const at::Tensor& hidden_td, const at::Tensor& next_embedding_td,
                     ForwardContext& context) const;

 private:
  double eps_;
  ParameterRef embedding_norm_, hidden_norm_, projection_;
  Block block_;
  ParameterRef norm_;
};

}  // namespace deduce
