#include "trainer/step/loss_context.h"

#include <ATen/ops/index_add.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include "parallel/sequence/shared_sum.h"

namespace deduce {

void LossContext::Add(Head head, const PackedBatch& batch, TokenLogProbs log_probs) {
  TORCH_CHECK(log_probs.log_prob_t.numel() == batch.num_tokens(), "LossContext: found ",
              log_probs.log_prob_t.numel(), " log-probabilities, expected ", batch.num_tokens());
  heads_[head] = {&batch, std::move(log_probs)};
}

const LossContext::HeadResult& LossContext::Find(Head head) const {
  const auto found = heads_.find(head);
  TORCH_CHECK(found != heads_.end(), "LossContext: found no result of head ",
              static_cast<int>(head), ", expected the objective to name it among its heads");
  return found->second;
}

at::Tensor LossContext::SequenceOfToken() const {
  const PackedBatch& all = batch();
  std::vector<int64_t> sequence_of;
  for (int64_t s = 0; s < all.num_sequences(); ++s)
    sequence_of.resize(static_cast<size_t>(all.sequence_starts[s + 1]), s);
  return at::tensor(sequence_of, all.tokens_x.options().dtype(at::kLong));
}

at::Tensor LossContext::SequenceSum(const at::Tensor& values_x) const {
  TORCH_CHECK(values_x.dim() == 1 && values_x.numel() == batch().num_tokens(),
              "SequenceSum: found values ", values_x.sizes(), ", expected one for each of ",
              batch().num_tokens(), " tokens");
  const at::Tensor none_s =
      at::zeros({batch().num_sequences()}, values_x.options().dtype(at::kDouble));
  at::Tensor sum_s = at::index_add(none_s, 0, SequenceOfToken(), values_x.to(at::kDouble));
  for (Communicator* group : groups_) sum_s = SharedSum(sum_s, *group);
  return sum_s;
}

at::Tensor LossContext::OfTokens(const at::Tensor& values_s) const {
  TORCH_CHECK(values_s.dim() == 1 && values_s.numel() == batch().num_sequences(),
              "OfTokens: found values ", values_s.sizes(), ", expected one for each of ",
              batch().num_sequences(), " sequences");
  return at::index_select(values_s, 0, SequenceOfToken());
}

}  // namespace deduce
