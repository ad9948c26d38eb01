#include "kernels/plain/attention.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>

namespace deduce::plain {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// Numbers of the host where x is.
at::Tensor Beside(const at::Tensor& x, const std::vector<int64_t>& numbers) {
  return at::tensor(numbers, x.options().dtype(at::kLong));
}

// Keys or values of each head's group, [heads, x, width].
at::Tensor OfHeads(const at::Tensor& x_gxk, int64_t heads) {
  return at::repeat_interleave(x_gxk, heads / x_gxk.size(0), 0);
}

// -infinity where a query does not see a key.
at::Tensor ScoresOf(const at::Tensor& q_thk, const at::Tensor& k_gxk, const KeyRuns& runs,
                    double softmax_scale) {
  const at::Tensor key_1x =
      at::arange(k_gxk.size(1), q_thk.options().dtype(at::kLong)).unsqueeze(0);
  const at::Tensor first_t1 = Beside(q_thk, FirstKeys(runs)).unsqueeze(1);
  const at::Tensor end_t1 = first_t1 + Beside(q_thk, runs.visible_t).unsqueeze(1);
  return (at::bmm(q_thk.transpose(0, 1), OfHeads(k_gxk, q_thk.size(1)).transpose(1, 2)) *
          softmax_scale)
      .masked_fill((key_1x < first_t1).logical_or(key_1x >= end_t1), kMinusInfinity);
}

// Zero where a query sees no key at all, too.
at::Tensor Probabilities(const at::Tensor& scores_htx, const at::Tensor& log_sum_exp_ht) {
  return (scores_htx - log_sum_exp_ht.unsqueeze(2)).exp().masked_fill(scores_htx.isneginf(), 0);
}

}  // namespace

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

void MergeAttention(PartialAttention& sum, const PartialAttention& block) {
  const at::Tensor most_ht = at::maximum(sum.log_sum_exp_ht, block.log_sum_exp_ht);
  const at::Tensor max_ht = most_ht.masked_fill(most_ht.isneginf(), 0);  // where neither has keys
  const at::Tensor here_ht = (sum.log_sum_exp_ht - max_ht).exp();
  const at::Tensor there_ht = (block.log_sum_exp_ht - max_ht).exp();
  const at::Tensor both_ht = here_ht + there_ht;
  const auto of_rows = [&](const at::Tensor& part_ht) {
    return (part_ht / both_ht).masked_fill(both_ht == 0, 0).t().unsqueeze(2);
  };
  sum.out_thv.copy_(of_rows(here_ht) * sum.out_thv + of_rows(there_ht) * block.out_thv);
  sum.log_sum_exp_ht.copy_(max_ht + both_ht.log());
}

at::Tensor CachedAttention(const at::Tensor& q_thk, const at::Tensor& k_cache_spgk,
                           const at::Tensor& v_cache_spgv, const std::vector<int64_t>& slots,
                           const std::vector<int64_t>& positions, double softmax_scale) {
  constexpr int64_t kRowsAtATime = 64;  // each has all keys of its slot
  const int64_t rows = q_thk.size(0), kv_heads = k_cache_spgk.size(2);
  const int64_t group = q_thk.size(1) / kv_heads;
  const int64_t keys = rows == 0 ? 0 : 1 + *std::max_element(positions.begin(), positions.end());
  const at::Tensor slot_t = Beside(q_thk, slots), last_t = Beside(q_thk, positions);
  const at::Tensor key_x = at::arange(keys, q_thk.options().dtype(at::kLong));
  std::vector<at::Tensor> parts = {q_thk.new_empty({0, q_thk.size(1), v_cache_spgv.size(3)})};
  for (int64_t first = 0; first < rows; first += kRowsAtATime) {
    const int64_t count = std::min(kRowsAtATime, rows - first);
    const auto gathered = [&](const at::Tensor& cache_spgk) {  // [count, kv_heads, keys, width]
      return at::index_select(cache_spgk.narrow(1, 0, keys), 0, slot_t.narrow(0, first, count))
          .transpose(1, 2);
    };
    const at::Tensor q_tgnk =
        q_thk.narrow(0, first, count).reshape({count, kv_heads, group, q_thk.size(2)});
    const at::Tensor unseen_tx = key_x > last_t.narrow(0, first, count).unsqueeze(1);
    const at::Tensor scores_tgnx =
        (at::matmul(q_tgnk, gathered(k_cache_spgk).transpose(2, 3)) * softmax_scale)
            .masked_fill(unseen_tx.unsqueeze(1).unsqueeze(1), kMinusInfinity);
    parts.push_back(at::matmul(at::softmax(scores_tgnx, 3), gathered(v_cache_spgv))
                        .reshape({count, q_thk.size(1), v_cache_spgv.size(3)}));
  }
  return at::cat(parts);
}

void WriteCacheRows(at::Tensor& cache_spgk, const at::Tensor& rows_tgk,
                    const std::vector<int64_t>& slots, const std::vector<int64_t>& positions) {
  const int64_t width = cache_spgk.size(2) * cache_spgk.size(3);
  std::vector<int64_t> places;
  for (size_t i = 0; i < slots.size(); ++i)
    places.push_back(slots[i] * cache_spgk.size(1) + positions[i]);
  cache_spgk.view({-1, width})
      .index_copy_(0, Beside(cache_spgk, places),
                   rows_tgk.reshape({static_cast<int64_t>(places.size()), width}));
}

}  // namespace deduce::plain
