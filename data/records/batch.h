// The one form in which tokens reach the model for training: several whole sequences packed into
// one row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace deduce {

// A micro-batch. Tensors have one element a token (x, see DESIGN.md), on the CPU. Position i
// predicts targets_x[i]; the last position of a sequence predicts nothing and has target 0 and
// weight 0.
struct PackedBatch {
  at::Tensor tokens_x;                   // int64
  at::Tensor positions_x;                // int64, from 0 in every sequence
  std::vector<int64_t> sequence_starts;  // num_sequences + 1 offsets: first 0, last x
  std::vector<int64_t> sample_ids;       // per sequence: its index in the step's batch
  at::Tensor targets_x;                  // int64
  at::Tensor weights_x;                  // fp32: weight of the token's term in the loss sum
  // Reinforcement learning only; undefined otherwise. fp32, aligned with targets_x.
  at::Tensor advantages_x;
  at::Tensor old_log_probs_x;  // under the weights that sampled the completion
  at::Tensor ref_log_probs_x;  // under the reference weights

  int64_t num_tokens() const { return tokens_x.defined() ? tokens_x.numel() : 0; }
  int64_t num_sequences() const { return static_cast<int64_t>(sample_ids.size()); }
};

}  // namespace deduce
