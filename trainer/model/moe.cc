#include "trainer/model/moe.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>

#include "kernels/grouped_matmul.h"
#include "kernels/linear.h"
#include "kernels/swiglu.h"
#include "parallel/expert_dispatch.h"
#include "trainer/model/balance_loss.h"
#include "trainer/model/expert_rows.h"

namespace deduce {

Moe::Moe(const ModelConfig& config, int64_t routed_layer, const std::string& prefix,
         ParameterFactory& factory, std::vector<ModelBuffer>& buffers, Communicator& expert_group)
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
      no_bias_e_(at::zeros({num_experts_}, at::kFloat)),
      buffers_(config.moe().topk_method() == MoeConfig::noaux_tc ? &buffers : nullptr),
      group_(&expert_group) {
  const int64_t hidden = config.hidden_size();
  const int64_t width = config.moe().moe_intermediate_size();
  const std::string experts = prefix + "experts.";
  gate_ = factory.Matrix(prefix + "gate.weight", num_experts_, hidden);
  gate_proj_ = factory.ExpertStack(experts, ".gate_proj.weight", num_experts_, width, hidden);
  up_proj_ = factory.ExpertStack(experts, ".up_proj.weight", num_experts_, width, hidden);
  down_proj_ = factory.ExpertStack(experts, ".down_proj.weight", num_experts_, hidden, width);
  if (config.moe().n_shared_experts() > 0) {
    shared_.emplace(hidden, width * config.moe().n_shared_experts(), config.mlp_bias(),
                    prefix + "shared_experts.", factory);
  }
  if (buffers_ == nullptr) return;
  TORCH_CHECK(static_cast<int64_t>(buffers.size()) == routed_layer, prefix, ": found ",
              buffers.size(), " selection biases, expected ", routed_layer);
  buffers.push_back(
      {prefix + "gate.e_score_correction_bias", at::zeros({num_experts_}, at::kFloat)});
}

at::Tensor Moe::Forward(const at::Tensor& x_td, ForwardContext& context) const {
  const at::Tensor& bias_e = buffers_ ? (*buffers_)[routed_layer_].value : no_bias_e_;
  // In fp32 always: in bf16, rounding would choose other experts.
  const Routing routing = TopKRouting(Linear(x_td, gate_.leaf()), bias_e, routing_);
  const ExpertOrder order = OrderByExpert(routing.expert_tk, num_experts_);
  if (at::GradMode::is_enabled()) Report(routing, order.rows_per_expert, context);
  const RowCounts counts = ExchangeCounts(order.rows_per_expert);

  // Rows travel while the shared experts compute: a half on the way there, a half on the way back.
  RowDispatch there(GatherRows(x_td, order.row_tk), counts.send, counts.receive, *group_);
  const at::Tensor hidden_tf = shared_ ? shared_->Hidden(x_td) : at::Tensor();
  RowDispatch back(LocalExperts(there.Finish(), counts), counts.receive, counts.send, *group_);
  const at::Tensor shared_td = shared_ ? shared_->Down(hidden_tf) : at::Tensor();
  const at::Tensor routed_td = CombineRows(back.Finish(), routing.gate_tk, order.row_tk);
  return shared_ ? routed_td.add(shared_td) : routed_td;
}

// Collective. Rows sorted by expert go to their experts' ranks in this order.
Moe::RowCounts Moe::ExchangeCounts(const std::vector<int64_t>& rows_per_expert) const {
  const int64_t ranks = group_->size();
  const int64_t local_experts = num_experts_ / ranks;
  at::Tensor send_re = at::empty({ranks, local_experts}, at::kLong);
  std::copy(rows_per_expert.begin(), rows_per_expert.end(), send_re.mutable_data_ptr<int64_t>());
  const std::vector<int64_t> one_each(ranks, 1);
  const at::Tensor received_re = group_->AllToAll(send_re, one_each, one_each);
  const int64_t* received = received_re.const_data_ptr<int64_t>();
  RowCounts counts;
  for (int64_t r = 0; r < ranks; ++r) {
    const auto first = rows_per_expert.begin() + r * local_experts;
    counts.send.push_back(std::accumulate(first, first + local_experts, int64_t{0}));
    counts.of_source.emplace_back(received + r * local_experts, received + (r + 1) * local_experts);
    const std::vector<int64_t>& theirs = counts.of_source.back();
    counts.receive.push_back(std::accumulate(theirs.begin(), theirs.end(), int64_t{0}));
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
                                const std::vector<int64_t>& rows_per_expert, size_t source) const {
  const auto product = [&](const at::Tensor& x_ni, const ParameterRef& stack) {
    return GroupedMatmul(x_ni, stack.weight(source), rows_per_expert, stack.compute());
  };
  return product(SwiGlu(product(rows_nd, gate_proj_), product(rows_nd, up_proj_)), down_proj_);
}

void Moe::Report(const Routing& routing, const std::vector<int64_t>& rows_per_expert,
                 ForwardContext& context) const {
  int64_t* load = context.expert_load_le.mutable_data_ptr<int64_t>() + routed_layer_ * num_experts_;
  for (int64_t e = 0; e < num_experts_; ++e) load[e] += rows_per_expert[e];
  context.balance_losses.push_back(
      SequenceBalanceLoss(routing.affinity_te, routing.expert_tk, *context.sequence_starts));
}

}  // namespace deduce
