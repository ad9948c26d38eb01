#include "trainer/step/log_probs_where_weighted.h"

#include <ATen/ops/index_copy.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/zeros.h>

namespace deduce {

TokenLogProbs LogProbsWhereWeighted(const Transformer& model, const at::Tensor& hidden_xd,
                                    const at::Tensor& targets_x, const at::Tensor& weights_x,
                                    double temperature) {
  const at::Tensor index_n = at::nonzero(weights_x).flatten();
  if (2 * index_n.numel() > weights_x.numel() || weights_x.numel() == 0)
    return model.LogProbs(hidden_xd, targets_x, temperature);
  const TokenLogProbs picked = model.LogProbs(at::index_select(hidden_xd, 0, index_n),
                                              at::index_select(targets_x, 0, index_n), temperature);
  const at::Tensor zeros_x = at::zeros(weights_x.sizes(), picked.log_prob_t.options());
  return {at::index_copy(zeros_x, 0, index_n, picked.log_prob_t),
          at::index_copy(zeros_x, 0, index_n, picked.entropy_t)};
}

}  // namespace deduce
