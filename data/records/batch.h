// The one form in which tokens reach the model for training: several whole sequences packed into
// one row, with named columns of numbers.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

namespace deduce {

// Numbers, one a token. The value at position i belongs to the prediction of targets_x[i].
enum class Column {
  kWeight,            // the factor of the token's term in the loss sum
  kAdvantage,         // how much better the completion is than the others of its group or batch
  kSamplerLogProb,    // log-probability under the weights that sampled the token
  kProximalLogProb,   // under the weights before the step's first update
  kReferenceLogProb,  // under the frozen policy of the KL term
  kValue,             // a critic's estimate
  kReward,            // the token's own
};
inline constexpr std::array kAllColumns = {
    Column::kWeight,          Column::kAdvantage,        Column::kSamplerLogProb,
    Column::kProximalLogProb, Column::kReferenceLogProb, Column::kValue,
    Column::kReward};

// In words, for messages: "weight", "reference log-prob".
const char* ColumnName(Column column);

// A micro-batch. Tensors have one element a token (x, see DESIGN.md) and are made on the CPU.
// Position i predicts targets_x[i]; the last position of a sequence predicts nothing and has
// target 0 and weight 0.
struct PackedBatch {
  at::Tensor tokens_x;                   // int64
  at::Tensor positions_x;                // int64, from 0 in every sequence
  at::Tensor targets_x;                  // int64
  std::vector<int64_t> sequence_starts;  // num_sequences + 1 offsets: first 0, last x
  std::vector<int64_t> sample_ids;       // per sequence: its index in the step's batch
  std::map<Column, at::Tensor> columns;  // fp32
  // WeightedTokens of a batch on a device. `To` sets it, for a device could find it only
  // by waiting. Else undefined.
  at::Tensor weighted_n = {};  // int64

  int64_t num_tokens() const { return tokens_x.defined() ? tokens_x.numel() : 0; }
  int64_t num_sequences() const { return static_cast<int64_t>(sample_ids.size()); }

  bool Has(Column column) const { return columns.count(column) > 0; }
  // Throws c10::Error, naming the column, when the batch does not have it.
  const at::Tensor& operator[](Column column) const;

  // Positions with a weight, rising, int64 [n].
  at::Tensor WeightedTokens() const;

  // The batch with change(tensor) in place of each of its tensors. The offsets of sequences stay.
  PackedBatch Mapped(const std::function<at::Tensor(const at::Tensor&)>& change) const;

  // The batch, which is on the host, with its tensors on a device.
  PackedBatch To(at::Device device) const;
};

// A batch of no tokens, with every column.
PackedBatch EmptyBatch();

// The batch with the targets and columns of the following position of each sequence: position i
// predicts token i + 2, as the multi-token prediction module does, with the weight which that token
// has. The last two positions of a sequence predict nothing.
PackedBatch OneTokenAhead(const PackedBatch& batch);

}  // namespace deduce
