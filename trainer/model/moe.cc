#include "trainer/model/moe.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <numeric>

#include "kernels/balance_loss.h"
#include "kernels/expert_rows.h"
#include "kernels/grouped_matmul.h"
#include "kernels/host_values.h"
#include "kernels/linear.h"
#include "kernels/swiglu.h"
#include "parallel/experts/expert_dispatch.h"

namespace deduce {

Moe::Moe(const ModelConfig& config, int64_t routed_layer, const std::string& prefix,
         ParameterFactory& factory, std::vector<ModelBuffer>& buffers,
         std::vector<ExpertPlacement>& placements, Communicator& expert_group)
    : routed_layer_(routed_layer),
      num_experts_(config.moe().n_routed_experts()),
      routing_{.top_k = config.moe().num_experts_per_tok(),
               .num_groups = config.moe().n_group(),
               .top_groups = config.moe().topk_group(),
               .scale = config.moe().routed_scaling_factor(),
               .normalize = config.moe().norm_topk_prob(),
               .affinity = config.moe().scoring_func() == MoeConfig::sigmoid ? Affinity::kSigmoid
                                                                             : Affinity::kSoftmax,
               .group_score = config.moe().topk_method() == MoeConfig::noaux_tc
                                  ? GroupScore::kTwoBest
                                  : GroupScore::kBest},
      no_bias_e_(at::zeros({num_experts_}, factory.options().dtype(at::kFloat))),
      buffers_(config.moe().topk_method() == MoeConfig::noaux_tc ? &buffers : nullptr),
      placements_(&placements),
      group_(&expert_group) {
  const int64_t hidden = config.hidden_size();
  const int64_t width = config.moe().moe_intermediate_size();
  const std::string experts = prefix + "experts.";
  gate_ = factory.Matrix(prefix + "gate.weight", num_experts_, hidden);
  const auto stack = [&](const char* suffix, int64_t out, int64_t in) {
    return factory.ExpertStack(experts, suffix, num_experts_, out, in, routed_layer);
  };
  gate_proj_ = stack(".gate_proj.weight", width, hidden);
  up_proj_ = stack(".up_proj.weight", width, hidden);
  down_proj_ = stack(".down_proj.weight", hidden, width);
  TORCH_CHECK(static_cast<int64_t>(placements.size()) == routed_layer, prefix, ": found ",
              placements.size(), " placements, expected ", routed_layer);
  placements.push_back(
      ExpertPlacement::AtHome(static_cast<int>(num_experts_), expert_group.size()));
  if (config.moe().n_shared_experts() > 0) {
    shared_.emplace(hidden, width * config.moe().n_shared_experts(), config.mlp_bias(),
                    prefix + "shared_experts.", factory);
  }
  if (buffers_ == nullptr) return;
  TORCH_CHECK(static_cast<int64_t>(buffers.size()) == routed_layer, prefix, ": found ",
              buffers.size(), " selection biases, expected ", routed_layer);
  buffers.push_back({prefix + "gate.e_score_correction_bias", at::zeros_like(no_bias_e_)});
}

at::Tensor Moe::Forward(const at::Tensor& x_td, ForwardContext& context) const {
  const at::Tensor& bias_e = buffers_ ? (*buffers_)[routed_layer_].value : no_bias_e_;
  // In fp32 always: in bf16, rounding would choose other experts.
  const Routing routing = TopKRouting(Linear(x_td, gate_.leaf()), bias_e, routing_);
  const at::Tensor slot_e = SlotOfExpert(x_td.device());
  const at::Tensor slot_tk =
      at::index_select(slot_e, 0, routing.expert_tk.flatten()).view(routing.expert_tk.sizes());
  const ExpertOrder order = OrderByExpert(slot_tk, placement().num_slots());
  if (at::GradMode::is_enabled()) {
    Report(routing, at::index_select(order.rows_per_expert_e, 0, slot_e), context);
  }
  const RowCounts counts = ExchangeCounts(order.rows_per_expert_e);

  // Rows travel while the shared experts compute: a half on the way there, a half on the way back.
  RowDispatch there(GatherRows(x_td, order.row_tk), counts.send, counts.receive, *group_);
  const at::Tensor hidden_tf = shared_ ? shared_->Hidden(x_td) : at::Tensor();
  RowDispatch back(LocalExperts(there.Finish(), counts), counts.receive, counts.send, *group_);
  const at::Tensor shared_td = shared_ ? shared_->Down(hidden_tf) : at::Tensor();
  const at::Tensor routed_td = CombineRows(back.Finish(), routing.gate_tk, order.row_tk);
  return shared_ ? routed_td.add(shared_td) : routed_td;
}

// Where this rank's rows for each expert go, int64 [experts].
at::Tensor Moe::SlotOfExpert(const at::Device& device) const {
  std::vector<int64_t> slots(static_cast<size_t>(num_experts_));
  for (int e = 0; e < num_experts_; ++e) slots[e] = placement().SlotFor(e, group_->rank());
  return at::tensor(slots, at::TensorOptions(device).dtype(at::kLong));
}

// Collective. Rows sorted by slot go to the slots' ranks in this order. Counts are computed and
// exchanged where the model is, and read by the host once.
Moe::RowCounts Moe::ExchangeCounts(const at::Tensor& rows_per_slot_s) const {
  const int64_t ranks = group_->size();
  const int64_t local_slots = placement().slots_per_rank();
  const at::Tensor send_rs = rows_per_slot_s.view({ranks, local_slots});
  const std::vector<int64_t> one_each(ranks, 1);
  const at::Tensor received_rs =
      ranks == 1 ? send_rs : group_->AllToAll(send_rs, one_each, one_each);
  const std::vector<int64_t> both = HostValues<int64_t>(at::stack({send_rs, received_rs}));
  RowCounts counts;
  for (int64_t r = 0; r < ranks; ++r) {
    const auto sent = both.begin() + r * local_slots;
    const auto received = both.begin() + (ranks + r) * local_slots;
    counts.send.push_back(std::accumulate(sent, sent + local_slots, int64_t{0}));
    counts.of_source.emplace_back(received, received + local_slots);
    counts.receive.push_back(std::accumulate(received, received + local_slots, int64_t{0}));
  }
  return counts;
}

at::Tensor Moe::LocalExperts(const at::Tensor& rows_nd, const RowCounts& counts) const {
  const size_t ranks = counts.of_source.size();
  if (ranks == 1) return ExpertsOfSource(rows_nd, counts.of_source[0], 0);
  const std::vector<at::Tensor> sources = rows_nd.split_with_sizes(counts.receive, 0);
  std::vector<at::Tensor> results;
  for (size_t source = 0; source < ranks; ++source) {
    results.push_back(ExpertsOfSource(sources[source], counts.of_source[source], source));
  }
  return at::cat(results);
}

// Each source's rows go through a leaf of their own, so that the weight gradient of each source's
// micro-batch stays apart.
at::Tensor Moe::ExpertsOfSource(const at::Tensor& rows_nd,
                                const std::vector<int64_t>& rows_per_slot, size_t source) const {
  const auto product = [&](const at::Tensor& x_ni, const ParameterRef& stack) {
    return GroupedMatmul(x_ni, stack.weight(source), rows_per_slot, stack.compute());
  };
  return product(SwiGlu(product(rows_nd, gate_proj_), product(rows_nd, up_proj_)), down_proj_);
}

void Moe::Report(const Routing& routing, const at::Tensor& load_e, ForwardContext& context) const {
  context.expert_load_le.select(0, routed_layer_).add_(load_e);
  at::Tensor load_se = SequenceLoad(routing.expert_tk, num_experts_, *context.sequence_starts);
  if (context.share != nullptr) {
    load_se = AllReduceSum(*context.groups->tensor, load_se);
    load_se = AllReduceSum(*context.groups->context, load_se);
  }
  context.balance_losses.push_back(
      SequenceBalanceLoss(routing.affinity_te, routing_.top_k, load_se, *context.sequence_starts));
}

}  // namespace deduce
