#include "trainer/step/micro_batch_part.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

namespace deduce {
MtpTargets ShiftTargets(const PackedBatch& batch) {
  MtpTargets shifted{at::zeros_like(batch.targets_x), at::zeros_like(batch.weights_x)};
  for (int64_t s = 0; s < batch.num_sequences(); ++s) {
    const int64_t begin = batch.sequence_starts[s];
    const int64_t count = batch.sequence_starts[s + 1] - begin - 1;
    if (count <= 0) continue;
    shifted.targets_x.narrow(0, begin, count).copy_(batch.targets_x.narrow(0, begin + 1, count));
    shifted.weights_x.narrow(0, begin, count).copy_(batch.weights_x.narrow(0, begin + 1, count));
  }
  return shifted;
}

MicroBatchPart SplitForRank(const PackedBatch& micro_batch, const Layout& layout, bool with_mtp) {
  MicroBatchPart part{.batch = micro_batch};
  if (with_mtp) part.mtp = ShiftTargets(micro_batch);
  if (layout.num_parts() == 1) return part;
  part.share = std::make_unique<const TokenShare>(SplitTokens(micro_batch.sequence_starts, layout));
  const at::Tensor token_t = at::tensor(part.share->tokens, at::kLong);
  PackedBatch& batch = part.batch;
  for (at::Tensor* tensor : {&batch.tokens_x, &batch.positions_x, &batch.targets_x,
                             &batch.weights_x, &batch.advantages_x, &batch.old_log_probs_x,
                             &batch.ref_log_probs_x, &part.mtp.targets_x, &part.mtp.weights_x}) {
    if (tensor->defined()) *tensor = at::index_select(*tensor, 0, token_t);
  }
  batch.sequence_starts = StartsAmong(part.share->tokens, micro_batch.sequence_starts);
  return part;
}

PackedBatch EmptyBatch() {
  PackedBatch batch;
  batch.tokens_x = batch.positions_x = batch.targets_x = at::empty({0}, at::kLong);
  batch.weights_x = batch.advantages_x = batch.old_log_probs_x = batch.ref_log_probs_x =
      at::empty({0});
  batch.sequence_starts = {0};
  return batch;
}

}  // namespace deduce
