#include "kernels/cpu/key_block_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/attention_row.h"

namespace deduce::cpu {
namespace {

// Neighbouring queries of a sequence, and where its keys begin.
struct QueryBlock {
  int64_t first_query, num_queries, first_key;
};

std::vector<QueryBlock> BlocksOf(const KeyRuns& runs) {
  std::vector<QueryBlock> blocks;
  for (size_t s = 0; s + 1 < runs.query_starts.size(); ++s) {
    const int64_t end = runs.query_starts[s + 1];
    for (int64_t i = runs.query_starts[s]; i < end; i += kQueriesAtATime)
      blocks.push_back({i, std::min(kQueriesAtATime, end - i), runs.key_starts[s]});
  }
  return blocks;
}

}  // namespace

PartialAttention AttendKeyBlock(const at::Tensor& q_thk, const at::Tensor& k_gxk,
                                const at::Tensor& v_gxv, const KeyRuns& runs,
                                double softmax_scale) {
  const int64_t tokens = q_thk.size(0);
  const int64_t heads = q_thk.size(1);
  const int64_t group = heads / k_gxk.size(0);
  const int64_t k_width = q_thk.size(2);
  const int64_t v_width = v_gxv.size(2);
  const PartialAttention result{at::empty({tokens, heads, v_width}, q_thk.options()),
                                at::empty({heads, tokens}, q_thk.options())};
  const std::vector<QueryBlock> blocks = BlocksOf(runs);
  const auto num_blocks = static_cast<int64_t>(blocks.size());
  const float* q = q_thk.const_data_ptr<float>();
  float* out = result.out_thv.data_ptr<float>();
  float* log_sum_exp = result.log_sum_exp_ht.data_ptr<float>();
  // Head by head, so that each thread has whole heads and its keys stay in its cache.
  at::parallel_for(0, heads * num_blocks, 1, [&](int64_t begin, int64_t end) {
    ScoreRows scores(kQueriesAtATime, LongestRun(runs));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / num_blocks;
      const QueryBlock& block = blocks[static_cast<size_t>(i % num_blocks)];
      const QueryRows queries{q + (block.first_query * heads + head) * k_width, heads * k_width,
                              &runs.visible_t[static_cast<size_t>(block.first_query)],
                              block.num_queries};
      AttendRows(queries, RowsOf(k_gxk, head / group, block.first_key),
                 RowsOf(v_gxv, head / group, block.first_key), static_cast<float>(softmax_scale),
                 scores, out + (block.first_query * heads + head) * v_width, heads * v_width,
                 log_sum_exp + head * tokens + block.first_query);
    }
  });
  return result;
}

void MergeAttention(PartialAttention& sum, const PartialAttention& block) {
  const int64_t tokens = sum.out_thv.size(0);
  const int64_t heads = sum.out_thv.size(1);
  const int64_t width = sum.out_thv.size(2);
  float* out = sum.out_thv.data_ptr<float>();
  float* log_sum_exp = sum.log_sum_exp_ht.data_ptr<float>();
  const float* block_out = block.out_thv.const_data_ptr<float>();
  const float* block_log_sum_exp = block.log_sum_exp_ht.const_data_ptr<float>();
  const int64_t rows_per_thread = 1 + kElementsPerThread / std::max<int64_t>(1, width);
  at::parallel_for(0, tokens * heads, rows_per_thread, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float& total = log_sum_exp[row % heads * tokens + row / heads];
      const float other = block_log_sum_exp[row % heads * tokens + row / heads];
      const float max = std::max(total, other);
      if (max == -std::numeric_limits<float>::infinity()) continue;  // neither has keys
      const float here = std::exp(total - max), there = std::exp(other - max);
      const float both = here + there;
      const float weight = here / both, block_weight = there / both;
      for (int64_t d = row * width; d < (row + 1) * width; ++d)
        out[d] = weight * out[d] + block_weight * block_out[d];
      total = max + std::log(both);
    }
  });
}

}  // namespace deduce::cpu
