#include "trainer/step/log_probs_where_weighted.h"

#include <ATen/ops/index_copy.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

namespace deduce {

TokenLogProbs LogProbsWhereWeighted(const Transformer& model, const at::Tensor& hidden_xd,
                                    const PackedBatch& batch, double temperature) {
  const at::Tensor& targets_x = batch.targets_x;
  const at::Tensor index_n = batch.WeightedTokens();
  if (2 * index_n.numel() > batch.num_tokens() || batch.num_tokens() == 0)
    return model.LogProbs(hidden_xd, targets_x, temperature);
  const TokenLogProbs picked = model.LogProbs(at::index_select(hidden_xd, 0, index_n),
                                              at::index_select(targets_x, 0, index_n), temperature);
  const at::Tensor zeros_x = at::zeros(targets_x.sizes(), picked.log_prob_t.options());
  return {at::index_copy(zeros_x, 0, index_n, picked.log_prob_t),
          at::index_copy(zeros_x, 0, index_n, picked.entropy_t)};
}

}  // namespace deduce
