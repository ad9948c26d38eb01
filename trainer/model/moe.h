// DeepSeekMoE (DeepSeek-V3 report, section 2.1.2): shared experts and routed experts, the latter
// split over the ranks of the expert group. One rank runs the same code.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "configs/model.pb.h"
#include "kernels/top_k_routing.h"
#include "parallel/communicator/communicator.h"
#include "parallel/experts/expert_placement.h"
#include "trainer/model/ffn.h"
#include "trainer/model/forward_context.h"
#include "trainer/model/parameter.h"

namespace deduce {

// A tensor that belongs to the model but is not trained by gradients.
struct ModelBuffer {
  std::string name;
  at::Tensor value;
};

class Moe {
 public:
  // prefix: "model.layers.N.mlp."; routed_layer: this layer's index among this part's routed ones.
  // With noaux_tc, appends its selection bias to `buffers`, and its experts' places to `placements`
  // (not owned, addresses must stay). The group must outlive the layer.
  Moe(const ModelConfig& config, int64_t routed_layer, const std::string& prefix,
      ParameterFactory& factory, std::vector<ModelBuffer>& buffers,
      std::vector<ExpertPlacement>& placements, Communicator& expert_group);

  // Collective over the expert group, here and in backward; with a share of tokens over the groups
  // that have the others. x_td [t, d] -> [t, d]; t may be 0. Under gradients it adds to the
  // context's load and balance loss.
  at::Tensor Forward(const at::Tensor& x_td, ForwardContext& context) const;

 private:
  // How many rows go where: to each rank, from each rank, and those of each rank by slot here.
  struct RowCounts {
    std::vector<int64_t> send, receive;
    std::vector<std::vector<int64_t>> of_source;
  };
  const ExpertPlacement& placement() const { return (*placements_)[routed_layer_]; }
  at::Tensor SlotOfExpert(const at::Device& device) const;
  RowCounts ExchangeCounts(const at::Tensor& rows_per_slot_s) const;
  at::Tensor LocalExperts(const at::Tensor& rows_nd, const RowCounts& counts) const;
  at::Tensor ExpertsOfSource(const at::Tensor& rows_nd, const std::vector<int64_t>& rows_per_slot,
                             size_t source) const;
  // load_e int64 [experts]: this rank's choices of each.
  void Report(const Routing& routing, const at::Tensor& load_e, ForwardContext& context) const;

  int64_t routed_layer_;
  int64_t num_experts_;
  RoutingOptions routing_;
  ParameterRef gate_;
  ParameterRef gate_proj_, up_proj_, down_proj_;  // stacks of this rank's experts
  std::optional<Ffn> shared_;
  at::Tensor no_bias_e_;                     // zeros, where no selection bias belongs to the model
  const std::vector<ModelBuffer>* buffers_;  // null there
  const std::vector<ExpertPlacement>* placements_;
  Communicator* group_;
};

}  // namespace deduce
