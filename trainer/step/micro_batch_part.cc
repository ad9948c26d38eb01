#include "trainer/step/micro_batch_part.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/max.h>
#include <ATen/ops/min.h>
#include <ATen/ops/tensor.h>

namespace deduce {
namespace {

void CheckRange(const char* what, const at::Tensor& numbers_x, int64_t end) {
  if (numbers_x.numel() == 0) return;
  const auto least = at::min(numbers_x).item<int64_t>(), most = at::max(numbers_x).item<int64_t>();
  TORCH_CHECK(least >= 0 && most < end, "batch: found ", what, "s from ", least, " to ", most,
              ", expected 0 to ", end - 1);
}

}  // namespace

MicroBatchPart SplitForRank(const PackedBatch& micro_batch, const Layout& layout, bool with_ahead) {
  MicroBatchPart part{.batch = micro_batch};
  if (with_ahead) part.ahead = OneTokenAhead(micro_batch);
  if (layout.num_parts() == 1) return part;
  part.share = std::make_unique<const TokenShare>(SplitTokens(micro_batch.sequence_starts, layout));
  const at::Tensor token_t = at::tensor(part.share->tokens, micro_batch.tokens_x.options());
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

PackedBatch OnDeviceOf(const Transformer& model, const PackedBatch& batch) {
  const c10::Device device = model.options().device();
  if (device.is_cpu()) return batch;
  CheckRange("token", batch.tokens_x, model.config().vocab_size());
  CheckRange("target", batch.targets_x, model.config().vocab_size());
  CheckRange("position", batch.positions_x, model.config().max_position_embeddings());
  return batch.To(device);
}

}  // namespace deduce
