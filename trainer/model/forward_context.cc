#include "trainer/model/forward_context.h"

#include "kernels/causal_attention.h"
#include "parallel/ring_attention.h"

namespace deduce {
at::Tensor Attend(const ForwardContext& context, int64_t layer, const at::Tensor& q_thk,
                  const at::Tensor& k_tgk, const at::Tensor& v_tgv, double softmax_scale) {
  if (context.share != nullptr && context.groups->context->size() > 1) {
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
