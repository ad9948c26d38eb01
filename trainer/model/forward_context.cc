#include "trainer/model/forward_context.h"

#include "kernels/causal_attention.h"

namespace deduce {

at::Tensor Attend(const ForwardContext& context, int64_t layer, const at::Tensor& q_thk,
                  const at::Tensor& k_tgk, const at::Tensor& v_tgv, double softmax_scale) {
  if (context.cache == nullptr) {
    return CausalAttention(q_thk, k_tgk, v_tgv, *context.sequence_starts, softmax_scale);
  }
  KvCache& cache = *context.cache;
  cache.Write(layer, k_tgk, v_tgv, *context.slots, *context.positions);
  return CachedAttention(q_thk, cache.k_spgk[layer], cache.v_spgv[layer], *context.slots,
                         *context.positions, softmax_scale);
}

}  // namespace deduce
