#include "trainer/model/forward_context.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>

#include <vector>

#include "kernels/causal_attention.h"
#include "parallel/sequence/ring_attention.h"
#include "parallel/sequence/shared_rows.h"

namespace deduce {
namespace {

// Keys and values of all context ranks, put back into their order.
at::Tensor AttendToGathered(const TokenShare& share, Communicator& group, const at::Tensor& q_thk,
                            const at::Tensor& k_tgk, const at::Tensor& v_tgv,
                            double softmax_scale) {
  std::vector<int64_t> rows_of_rank;
  for (const KeyRuns& runs : share.runs_of_context_rank)
    rows_of_rank.push_back(runs.key_starts.back());
  const int64_t k_width = k_tgk.size(1) * k_tgk.size(2), v_width = v_tgv.size(1) * v_tgv.size(2);
  const at::Tensor both_tn =
      at::cat({k_tgk.reshape({-1, k_width}), v_tgv.reshape({-1, v_width})}, 1);
  const auto both =
      at::index_select(AllGatherRows(both_tn, rows_of_rank, group), 0, share.gathered_row_x)
          .split_with_sizes({k_width, v_width}, 1);
  const auto heads = [](const at::Tensor& rows_xn, const at::Tensor& like_tgn) {
    return rows_xn.reshape({rows_xn.size(0), like_tgn.size(1), like_tgn.size(2)});
  };
  return AttentionOverRuns(q_thk, heads(both[0], k_tgk), heads(both[1], v_tgv), share.runs_of_all,
                           softmax_scale);
}

}  // namespace

at::Tensor Attend(const ForwardContext& context, int64_t layer, const at::Tensor& q_thk,
                  const at::Tensor& k_tgk, const at::Tensor& v_tgv, double softmax_scale) {
  if (context.share != nullptr && context.groups->context->size() > 1) {
    if (context.share->gathered_row_x.defined()) {
      return AttendToGathered(*context.share, *context.groups->context, q_thk, k_tgk, v_tgv,
                              softmax_scale);
    }
    return RingAttention(q_thk, k_tgk, v_tgv, context.share->runs_of_context_rank, softmax_scale,
                         *context.groups->context);
  }
  if (context.cache == nullptr) {
    // With a share the tensor ranks have put their tokens together: those are all of them.
    return CausalAttention(
        q_thk, k_tgk, v_tgv,
        context.share != nullptr ? context.share->sequence_starts : *context.sequence_starts,
        softmax_scale);
  }
  KvCache& cache = *context.cache;
  cache.Write(layer, k_tgk, v_tgv, *context.slots, *context.positions);
  return CachedAttention(q_thk, cache.k_spgk[layer], cache.v_spgv[layer], *context.slots,
                         *context.positions, softmax_scale);
}

}  // namespace deduce
