#include "trainer/step/micro_batch_part.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

namespace deduce {

MicroBatchPart SplitForRank(const PackedBatch& micro_batch, const Layout& layout, bool with_ahead) {
  MicroBatchPart part{.batch = micro_batch};
  if (with_ahead) part.ahead = OneTokenAhead(micro_batch);
  if (layout.num_parts() == 1) return part;
  part.share = std::make_unique<const TokenShare>(SplitTokens(micro_batch.sequence_starts, layout));
  const at::Tensor token_t = at::tensor(part.share->tokens, at::kLong);
  const auto select = [&](const PackedBatch& whole) {
    PackedBatch some = whole.Mapped(
        [&](const at::Tensor& tensor_x) { return at::index_select(tensor_x, 0, token_t); });
    some.sequence_starts = StartsAmong(part.share->tokens, micro_batch.sequence_starts);
    return some;
  };
  part.batch = select(part.batch);
  if (with_ahead) part.ahead = select(part.ahead);
  return part;
}

}  // namespace deduce
