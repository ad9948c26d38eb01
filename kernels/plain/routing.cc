#include "kernels/plain/routing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/floor_divide.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

namespace deduce::plain {
namespace {

// Keep what underflows from dividing by zero.
constexpr double kTinyGateSum = 1e-20, kTinyAffinitySum = 1e-20;

// The places of the `count` largest of each row, largest first, ties to the lower place.
at::Tensor Best(const at::Tensor& scores_tn, int64_t count) {
  return at::argsort(scores_tn, /*stable=*/true, /*dim=*/1, /*descending=*/true)
      .narrow(1, 0, count);
}

// -infinity for experts outside the best groups. NaN has been replaced.
at::Tensor WithinBestGroups(const at::Tensor& scores_te, const RoutingOptions& options) {
  const int64_t size = scores_te.size(1) / options.num_groups;
  const at::Tensor scores_tgn = scores_te.view({-1, options.num_groups, size});
  const int64_t counted = options.group_score == GroupScore::kBest || size == 1 ? 1 : 2;
  const at::Tensor group_tg = std::get<0>(at::topk(scores_tgn, counted, 2)).sum(2);
  at::Tensor kept_tg = at::zeros_like(group_tg, group_tg.options().dtype(at::kBool));
  kept_tg.scatter_(1, Best(group_tg, options.top_groups), true);
  return scores_tgn
      .masked_fill(kept_tg.logical_not().unsqueeze(2), -std::numeric_limits<double>::infinity())
      .view(scores_te.sizes());
}

// The sequence of each token.
at::Tensor SequenceOf(const std::vector<int64_t>& sequence_starts, const at::Tensor& like) {
  std::vector<int64_t> sequence_t;
  for (size_t s = 0; s + 1 < sequence_starts.size(); ++s)
    sequence_t.resize(static_cast<size_t>(sequence_starts[s + 1]), static_cast<int64_t>(s));
  return at::tensor(sequence_t, like.options().dtype(at::kLong));
}

}  // namespace

Routing TopKRouting(const at::Tensor& logits_te, const at::Tensor& bias_e,
                    const RoutingOptions& options) {
  const at::Tensor affinity_te =
      options.affinity == Affinity::kSigmoid ? at::sigmoid(logits_te) : at::softmax(logits_te, 1);
  at::Tensor scores_te = affinity_te.detach().to(at::kFloat) + bias_e;
  scores_te.masked_fill_(scores_te.isnan(), std::numeric_limits<float>::lowest());
  if (options.top_groups < options.num_groups) scores_te = WithinBestGroups(scores_te, options);
  const at::Tensor expert_tk = Best(scores_te, options.top_k).contiguous();
  at::Tensor gate_tk = affinity_te.gather(1, expert_tk);
  if (options.normalize) gate_tk = gate_tk / (gate_tk.sum(1, /*keepdim=*/true) + kTinyGateSum);
  return {expert_tk, gate_tk * options.scale, affinity_te};
}

ExpertOrder OrderByExpert(const at::Tensor& expert_tk, int64_t num_experts) {
  const at::Tensor expert_n = expert_tk.flatten();
  const at::Tensor pair_n = at::argsort(expert_n, /*stable=*/true, /*dim=*/0);
  const at::Tensor row_n = at::empty_like(expert_n).scatter_(
      0, pair_n, at::arange(expert_n.numel(), expert_n.options()));
  const at::Tensor count_e = at::zeros({num_experts}, expert_n.options())
                                 .scatter_add_(0, expert_n, at::ones_like(expert_n));
  return {row_n.view(expert_tk.sizes()), count_e};
}

at::Tensor GatherRows(const at::Tensor& x_td, const at::Tensor& row_tk) {
  return at::index_select(x_td, 0, at::argsort(row_tk.flatten()).floor_divide(row_tk.size(1)));
}

at::Tensor CombineRows(const at::Tensor& rows_nd, const at::Tensor& gate_tk,
                       const at::Tensor& row_tk) {
  const at::Tensor rows_tkd = at::index_select(rows_nd, 0, row_tk.flatten())
                                  .view({row_tk.size(0), row_tk.size(1), rows_nd.size(1)});
  return (rows_tkd * gate_tk.unsqueeze(2)).sum(1);
}

at::Tensor SequenceLoad(const at::Tensor& expert_tk, int64_t num_experts,
                        const std::vector<int64_t>& sequence_starts) {
  const auto sequences = static_cast<int64_t>(sequence_starts.size()) - 1;
  const at::Tensor place_n =
      (SequenceOf(sequence_starts, expert_tk).unsqueeze(1) * num_experts + expert_tk).flatten();
  return at::zeros({sequences * num_experts}, expert_tk.options())
      .scatter_add_(0, place_n, at::ones_like(place_n))
      .view({sequences, num_experts});
}

at::Tensor SequenceBalanceLoss(const at::Tensor& affinity_te, int64_t top_k,
                               const at::Tensor& load_se,
                               const std::vector<int64_t>& sequence_starts) {
  const at::Tensor sequence_t = SequenceOf(sequence_starts, affinity_te);
  const at::Tensor choices_s1 = load_se.sum(1, /*keepdim=*/true).to(at::kDouble);
  // f_i / length of the equations, of each sequence.
  const at::Tensor factor_se =
      load_se.to(at::kDouble) / choices_s1 * affinity_te.size(1) * top_k / choices_s1;
  const at::Tensor wide_te = affinity_te.to(at::kDouble);
  const at::Tensor share_te = wide_te / (wide_te.sum(1, /*keepdim=*/true) + kTinyAffinitySum);
  return (at::index_select(factor_se, 0, sequence_t) * share_te)
      .sum()
      .to(affinity_te.scalar_type());
}

}  // namespace deduce::plain
