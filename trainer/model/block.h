// One pre-norm decoder block: attention (GQA or MLA) and feed-forward (dense or mixture of
// experts), each added to the residual stream.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "configs/model.pb.h"
#include "kernels/rotary.h"
#include "parallel/communicator/communicator.h"
#include "trainer/model/attention_gqa.h"
#include "trainer/model/attention_mla.h"
#include "trainer/model/ffn.h"
#include "trainer/model/forward_context.h"
#include "trainer/model/moe.h"
#include "trainer/model/parameter.h"

namespace deduce {

// Where blocks get what they are made of. Not owned; the lists' addresses must stay.
struct BlockParts {
  const ModelConfig& config;
  const RotaryTable& table;
  ParameterFactory& factory;
  std::vector<ModelBuffer>& buffers;
  std::vector<ExpertPlacement>& placements;  // of the routed layers
  const ModelGroups& groups;
  int64_t& num_routed_layers;  // made so far, of this part of the model
};

class Block {
 public:
  // layer: of the model; cache_layer: its place among the layers of a KvCache.
  Block(int64_t layer, int64_t cache_layer, const BlockParts& parts);

  // Collective over the expert group if the block is routed. x_td [t, d] -> [t, d].
  at::Tensor Forward(const at::Tensor& x_td, ForwardContext& context) const;

 private:
  // With its norm, without the residual.
  at::Tensor Attention(const at::Tensor& x_td, ForwardContext& context) const;

  double eps_;
  ParameterRef input_norm_;
  std::variant<GqaAttention, MlaAttention> attention_;
  ParameterRef post_attention_norm_;
  std::variant<Ffn, Moe> ffn_;
};

}  // namespace deduce
