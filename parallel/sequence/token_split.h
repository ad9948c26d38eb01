// Which tokens of a micro-batch each of its parts takes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/plain/attention_state.h"
#include "parallel/layout.h"

namespace deduce {

// The tokens of one rank. Context ranks take runs of every sequence in a zig-zag (Llama 3, arXiv
// 2407.21783, section 3.3.2): it is cut into 2 C chunks, and rank c takes chunk c and chunk
// 2 C - 1 - c, so that all have about as many keys to look at. Tensor ranks take neighbouring runs
// of their context rank's tokens. Tensors are on the layout's device.
struct TokenShare {
  std::vector<int64_t> sequence_starts;  // of the whole micro-batch, as in PackedBatch

  // Indices in the micro-batch, rising; and what tensor ranks together have of them.
  std::vector<int64_t> tokens, context_tokens;
  at::Tensor context_positions_t;  // int64, within the sequence, of context_tokens

  std::vector<int64_t> rows_of_tensor_rank;  // of context_tokens
  // The keys that context_tokens see among the tokens of each context rank.
  std::vector<KeyRuns> runs_of_context_rank;
  // With gathered keys: what they see of all tokens; and where each of these is when the rows of
  // all context ranks lie one after another, int64 [tokens]. Else undefined.
  KeyRuns runs_of_all;
  at::Tensor gathered_row_x;
};

// Offsets of the sequences among some of their tokens, which rise.
std::vector<int64_t> StartsAmong(const std::vector<int64_t>& tokens,
                                 const std::vector<int64_t>& sequence_starts);

// sequence_starts: rising offsets, first 0, last the number of tokens.
TokenShare SplitTokens(const std::vector<int64_t>& sequence_starts, const Layout& layout);

}  // namespace deduce
