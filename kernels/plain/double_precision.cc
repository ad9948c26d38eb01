#include "kernels/plain/double_precision.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

#include <limits>

namespace deduce::fp64 {
namespace {

// Keys or values of each head's group, [heads, x, width].
at::Tensor OfHeads(const at::Tensor& x_gxk, int64_t heads) {
  return at::repeat_interleave(x_gxk, heads / x_gxk.size(0), 0);
}

// -infinity where a query does not see a key.
at::Tensor ScoresOf(const at::Tensor& q_thk, const at::Tensor& k_gxk, const KeyRuns& runs,
                    double softmax_scale) {
  const at::Tensor key_1x = at::arange(k_gxk.size(1)).unsqueeze(0);
  const at::Tensor first_t1 = at::tensor(FirstKeys(runs), at::kLong).unsqueeze(1);
  const at::Tensor end_t1 = first_t1 + at::tensor(runs.visible_t, at::kLong).unsqueeze(1);
  return (at::bmm(q_thk.transpose(0, 1), OfHeads(k_gxk, q_thk.size(1)).transpose(1, 2)) *
          softmax_scale)
      .masked_fill((key_1x < first_t1).logical_or(key_1x >= end_t1),
                   -std::numeric_limits<double>::infinity());
}

// Zero where a query sees no key at all, too.
at::Tensor Probabilities(const at::Tensor& scores_htx, const at::Tensor& log_sum_exp_ht) {
  return (scores_htx - log_sum_exp_ht.unsqueeze(2)).exp().masked_fill(scores_htx.isneginf(), 0);
}

}  // namespace

at::Tensor GroupedMatmul(const at::Tensor& x_ni, const at::Tensor& weight_eoi,
                         const std::vector<int64_t>& rows_per_expert) {
  const std::vector<at::Tensor> rows = x_ni.split_with_sizes(rows_per_expert, 0);
  std::vector<at::Tensor> products;
  for (size_t e = 0; e < rows.size(); ++e)
    products.push_back(at::matmul(rows[e], weight_eoi[static_cast<int64_t>(e)].t()));
  return at::cat(products);
}

PartialAttention AttendKeyBlock(const at::Tensor& q_thk, const at::Tensor& k_gxk,
                                const at::Tensor& v_gxv, const KeyRuns& runs,
                                double softmax_scale) {
  const at::Tensor scores_htx = ScoresOf(q_thk, k_gxk, runs, softmax_scale);
  const at::Tensor log_sum_exp_ht = at::logsumexp(scores_htx, 2);
  const at::Tensor out_htv =
      at::bmm(Probabilities(scores_htx, log_sum_exp_ht), OfHeads(v_gxv, q_thk.size(1)));
  return {out_htv.transpose(0, 1).contiguous(), log_sum_exp_ht};
}

AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale) {
  const int64_t heads = state.q_thk.size(1), kv_heads = state.k_gxk.size(0);
  const at::Tensor scores_htx = ScoresOf(state.q_thk, state.k_gxk, runs, softmax_scale);
  const at::Tensor p_htx = Probabilities(scores_htx, state.log_sum_exp_ht);
  const at::Tensor grad_htv = state.grad_thv.transpose(0, 1);
  const at::Tensor mean_ht1 = (state.grad_thv * state.out_thv).sum(2).t().unsqueeze(2);
  const at::Tensor score_grad_htx =
      p_htx * (at::bmm(grad_htv, OfHeads(state.v_gxv, heads).transpose(1, 2)) - mean_ht1) *
      softmax_scale;
  const auto sum_of_group = [&](const at::Tensor& x_hxk) {
    return x_hxk.reshape({kv_heads, heads / kv_heads, x_hxk.size(1), x_hxk.size(2)}).sum(1);
  };
  return {at::bmm(score_grad_htx, OfHeads(state.k_gxk, heads)).transpose(0, 1).contiguous(),
          sum_of_group(at::bmm(score_grad_htx.transpose(1, 2), state.q_thk.transpose(0, 1))),
          sum_of_group(at::bmm(p_htx.transpose(1, 2), grad_htv))};
}

at::Tensor RmsNorm(const at::Tensor& x_td, const at::Tensor& weight_d, double eps) {
  return x_td * at::rsqrt((x_td * x_td).mean(1, /*keepdim=*/true) + eps) * weight_d;
}

at::Tensor Rotate(const at::Tensor& x_thk, const at::Tensor& cos_tk, const at::Tensor& sin_tk,
                  bool interleaved) {
  const int64_t half = x_thk.size(2) / 2;
  const at::Tensor cos_t1k = cos_tk.to(at::kDouble).unsqueeze(1);
  const at::Tensor sin_t1k = sin_tk.to(at::kDouble).unsqueeze(1);
  const at::Tensor first = interleaved ? x_thk.slice(2, 0, 2 * half, 2) : x_thk.narrow(2, 0, half);
  const at::Tensor second =
      interleaved ? x_thk.slice(2, 1, 2 * half, 2) : x_thk.narrow(2, half, half);
  return at::cat({first * cos_t1k - second * sin_t1k, second * cos_t1k + first * sin_t1k}, 2);
}

at::Tensor SwiGlu(const at::Tensor& gate_tf, const at::Tensor& up_tf) {
  return at::silu(gate_tf) * up_tf;
}

}  // namespace deduce::fp64
