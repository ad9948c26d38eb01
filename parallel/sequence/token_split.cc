#include "parallel/sequence/token_split.h"

#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <numeric>

namespace deduce {
namespace {

// Tokens of all sequences that context rank c of C takes.
std::vector<int64_t> ContextTokens(const std::vector<int64_t>& sequence_starts, int64_t c,
                                   int64_t num_ranks) {
  std::vector<int64_t> tokens;
  for (size_t s = 0; s + 1 < sequence_starts.size(); ++s) {
    const int64_t begin = sequence_starts[s], length = sequence_starts[s + 1] - begin;
    const int64_t chunks = 2 * num_ranks;
    for (const int64_t chunk : {c, chunks - 1 - c}) {
      for (int64_t i = chunk * length / chunks; i < (chunk + 1) * length / chunks; ++i)
        tokens.push_back(begin + i);
    }
  }
  return tokens;
}

KeyRuns RunsOf(const std::vector<int64_t>& queries, const std::vector<int64_t>& keys,
               const std::vector<int64_t>& sequence_starts) {
  KeyRuns runs{StartsAmong(queries, sequence_starts), StartsAmong(keys, sequence_starts), {}};
  const std::vector<int64_t> first_t = FirstKeys(runs);
  for (size_t i = 0; i < queries.size(); ++i) {
    const auto first = keys.begin() + first_t[i];
    runs.visible_t.push_back(std::upper_bound(first, keys.end(), queries[i]) - first);
  }
  return runs;
}

// Fills what gathered keys need.
void OrderGathered(int64_t num_ranks, const at::Device& device, TokenShare& share) {
  const std::vector<int64_t>& starts = share.sequence_starts;
  std::vector<int64_t> all(static_cast<size_t>(starts.back())), row_of_token(all.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  share.runs_of_all = RunsOf(share.context_tokens, all, starts);
  int64_t row = 0;
  for (int64_t c = 0; c < num_ranks; ++c) {
    for (const int64_t token : ContextTokens(starts, c, num_ranks))
      row_of_token[static_cast<size_t>(token)] = row++;
  }
  share.gathered_row_x = at::tensor(row_of_token, at::TensorOptions(device).dtype(at::kLong));
}

}  // namespace

std::vector<int64_t> StartsAmong(const std::vector<int64_t>& tokens,
                                 const std::vector<int64_t>& sequence_starts) {
  std::vector<int64_t> starts;
  for (const int64_t start : sequence_starts)
    starts.push_back(std::lower_bound(tokens.begin(), tokens.end(), start) - tokens.begin());
  return starts;
}

TokenShare SplitTokens(const std::vector<int64_t>& sequence_starts, const Layout& layout) {
  TORCH_CHECK(!sequence_starts.empty() && sequence_starts.front() == 0 &&
                  std::is_sorted(sequence_starts.begin(), sequence_starts.end()),
              "SplitTokens: found ", sequence_starts.size(),
              " sequence starts, expected rising ones from 0");
  TokenShare share{.sequence_starts = sequence_starts};
  share.context_tokens =
      ContextTokens(sequence_starts, layout.context_rank, layout.context_parallel);

  for (int c = 0; c < layout.context_parallel; ++c) {
    share.runs_of_context_rank.push_back(
        RunsOf(share.context_tokens, ContextTokens(sequence_starts, c, layout.context_parallel),
               sequence_starts));
  }

  if (layout.gathers_keys) OrderGathered(layout.context_parallel, layout.device, share);

  std::vector<int64_t> positions;
  for (const int64_t token : share.context_tokens) {
    const auto next = std::upper_bound(sequence_starts.begin(), sequence_starts.end(), token);
    positions.push_back(token - *(next - 1));
  }
  share.context_positions_t =
      at::tensor(positions, at::TensorOptions(layout.device).dtype(at::kLong));

  const auto count = static_cast<int64_t>(share.context_tokens.size());
  const int64_t ranks = layout.tensor_parallel;
  for (int64_t t = 0; t < ranks; ++t)
    share.rows_of_tensor_rank.push_back((t + 1) * count / ranks - t * count / ranks);
  const auto first = share.context_tokens.begin() + layout.tensor_rank * count / ranks;
  share.tokens.assign(first, first + share.rows_of_tensor_rank[layout.tensor_rank]);
  return share;
}

}  // namespace deduce
