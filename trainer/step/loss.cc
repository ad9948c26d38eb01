#include "trainer/step/loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sum.h>

namespace deduce {

LossTerms CrossEntropyLoss::operator()(const PackedBatch& batch,
                                       const TokenLogProbs& log_probs) const {
  const at::Tensor& log_prob_x = log_probs.log_prob_t;
  TORCH_CHECK(log_prob_x.numel() == batch.num_tokens(), "CrossEntropyLoss: found ",
              log_prob_x.numel(), " log-probabilities, expected ", batch.num_tokens());
  LossTerms terms;
  if (batch.num_tokens() == 0) {  // its tensors may be undefined
    terms.sum = at::sum(log_prob_x);
    terms.metric_sums = {{"tokens", 0.0}, {"entropy", 0.0}};
    return terms;
  }
  // In double: the split into micro-batches then shows in the last bit of the result at most.
  terms.sum =
      -at::sum((log_prob_x * batch[Column::kWeight]).to(at::kDouble)).to(log_prob_x.scalar_type());

  const at::Tensor weights_x = batch[Column::kWeight].contiguous();
  const at::Tensor entropy_x = log_probs.entropy_t.to(at::kFloat).contiguous();
  const float* weight = weights_x.const_data_ptr<float>();
  const float* entropy = entropy_x.const_data_ptr<float>();
  double tokens = 0, entropy_sum = 0;
  for (int64_t i = 0; i < batch.num_tokens(); ++i) {
    if (weight[i] == 0) continue;
    tokens += 1;
    entropy_sum += entropy[i];
  }
  terms.metric_sums = {{"tokens", tokens}, {"entropy", entropy_sum}};
  return terms;
}

double CrossEntropyCount(const std::vector<PackedBatch>& micro_batches) {
  double count = 0;
  for (const PackedBatch& batch : micro_batches) {
    if (batch.num_tokens() == 0) continue;  // its tensors may be undefined
    const at::Tensor weights_x = batch[Column::kWeight].contiguous();
    const float* weight = weights_x.const_data_ptr<float>();
    for (int64_t i = 0; i < batch.num_tokens(); ++i) count += weight[i];
  }
  return count;
}

}  // namespace deduce
