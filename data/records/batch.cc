#include "data/records/batch.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include <algorithm>

namespace deduce {

const char* ColumnName(Column column) {
  switch (column) {
    case Column::kWeight:
      return "weight";
    case Column::kAdvantage:
      return "advantage";
    case Column::kSamplerLogProb:
      return "sampler log-prob";
    case Column::kProximalLogProb:
      return "proximal log-prob";
    case Column::kReferenceLogProb:
      return "reference log-prob";
    case Column::kValue:
      return "value";
    case Column::kReward:
      return "reward";
  }
  return "unnamed";
}

const at::Tensor& PackedBatch::operator[](Column column) const {
  const auto found = columns.find(column);
  TORCH_CHECK(found != columns.end(), "PackedBatch: found no column ", ColumnName(column),
              ", expected it in a batch of ", num_tokens(), " tokens");
  return found->second;
}

at::Tensor PackedBatch::WeightedTokens() const {
  return weighted_n.defined() ? weighted_n : at::nonzero((*this)[Column::kWeight]).flatten();
}

PackedBatch PackedBatch::Mapped(const std::function<at::Tensor(const at::Tensor&)>& change) const {
  PackedBatch mapped = *this;
  for (at::Tensor* tensor : {&mapped.tokens_x, &mapped.positions_x, &mapped.targets_x})
    *tensor = change(*tensor);
  for (auto& [column, values_x] : mapped.columns) values_x = change(values_x);
  mapped.weighted_n = at::Tensor();  // it described the tensors before
  return mapped;
}

PackedBatch PackedBatch::To(at::Device device) const {
  PackedBatch moved = Mapped([&](const at::Tensor& tensor) { return tensor.to(device); });
  if (Has(Column::kWeight)) moved.weighted_n = WeightedTokens().to(device);
  return moved;
}

PackedBatch EmptyBatch() {
  PackedBatch batch;
  batch.tokens_x = batch.positions_x = batch.targets_x = at::empty({0}, at::kLong);
  batch.sequence_starts = {0};
  for (const Column column : kAllColumns) batch.columns[column] = at::empty({0}, at::kFloat);
  return batch;
}

PackedBatch OneTokenAhead(const PackedBatch& batch) {
  const auto shifted = [&](const at::Tensor& values_x) {
    at::Tensor next_x = at::zeros_like(values_x);
    for (int64_t s = 0; s < batch.num_sequences(); ++s) {
      const int64_t begin = batch.sequence_starts[s];
      const int64_t count = std::max<int64_t>(0, batch.sequence_starts[s + 1] - begin - 1);
      next_x.narrow(0, begin, count)
          .copy_(values_x.narrow(0, begin + std::min<int64_t>(1, count), count));
    }
    return next_x;
  };
  PackedBatch ahead = batch;
  ahead.weighted_n = at::Tensor();  // weights move with the targets
  ahead.targets_x = shifted(batch.targets_x);
  for (auto& [column, values_x] : ahead.columns) values_x = shifted(values_x);
  return ahead;
}

}  // namespace deduce
