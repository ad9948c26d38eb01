#include "kernels/cpu/key_block_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/attention_row.h"
#include "kernels/plain/double_precision.h"

namespace deduce {
namespace {

void CheckRuns(const KeyRuns& runs, int64_t queries, int64_t keys) {
  const auto covers = [&](const std::vector<int64_t>& starts, int64_t rows) {
    return !starts.empty() && starts.front() == 0 && starts.back() == rows &&
           std::is_sorted(starts.begin(), starts.end());
  };
  TORCH_CHECK(covers(runs.query_starts, queries) && covers(runs.key_starts, keys) &&
                  runs.query_starts.size() == runs.key_starts.size() &&
                  static_cast<int64_t>(runs.visible_t.size()) == queries,
              "AttendKeyBlock: found ", runs.query_starts.size(), " starts of queries, ",
              runs.key_starts.size(), " of keys and ", runs.visible_t.size(),
              " runs, expected as many starts, rising from 0 to ", queries, " and ", keys, ", and ",
              queries, " runs");
  for (size_t s = 0; s + 1 < runs.query_starts.size(); ++s) {
    int64_t least = 0;
    const int64_t most = runs.key_starts[s + 1] - runs.key_starts[s];
    for (int64_t i = runs.query_starts[s]; i < runs.query_starts[s + 1]; ++i) {
      const int64_t visible = runs.visible_t[static_cast<size_t>(i)];
      TORCH_CHECK(visible >= least && visible <= most, "AttendKeyBlock: query ", i, ": found ",
                  visible, " visible keys, expected ", least, " .. ", most);
      least = visible;
    }
  }
}

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

template <typename Number>
void MergeRows(PartialAttention& sum, const PartialAttention& block) {
  const int64_t tokens = sum.out_thv.size(0);
  const int64_t heads = sum.out_thv.size(1);
  const int64_t width = sum.out_thv.size(2);
  Number* out = sum.out_thv.data_ptr<Number>();
  Number* log_sum_exp = sum.log_sum_exp_ht.data_ptr<Number>();
  const Number* block_out = block.out_thv.const_data_ptr<Number>();
  const Number* block_log_sum_exp = block.log_sum_exp_ht.const_data_ptr<Number>();
  const int64_t rows_per_thread = 1 + kElementsPerThread / std::max<int64_t>(1, width);
  at::parallel_for(0, tokens * heads, rows_per_thread, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      Number& total = log_sum_exp[row % heads * tokens + row / heads];
      const Number other = block_log_sum_exp[row % heads * tokens + row / heads];
      const Number max = std::max(total, other);
      if (max == -std::numeric_limits<Number>::infinity()) continue;  // neither has keys
      const Number here = std::exp(total - max), there = std::exp(other - max);
      const Number both = here + there;
      const Number weight = here / both, block_weight = there / both;
      for (int64_t d = row * width; d < (row + 1) * width; ++d)
        out[d] = weight * out[d] + block_weight * block_out[d];
      total = max + std::log(both);
    }
  });
}

}  // namespace

PartialAttention AttendKeyBlock(const at::Tensor& q_thk, const at::Tensor& k_gxk,
                                const at::Tensor& v_gxv, const KeyRuns& runs,
                                double softmax_scale) {
  TORCH_CHECK(q_thk.dim() == 3 && k_gxk.dim() == 3 && v_gxv.dim() == 3 &&
                  k_gxk.size(1) == v_gxv.size(1) && q_thk.size(2) == k_gxk.size(2) &&
                  k_gxk.size(0) == v_gxv.size(0) && q_thk.size(1) % k_gxk.size(0) == 0,
              "AttendKeyBlock: found q ", q_thk.sizes(), ", k ", k_gxk.sizes(), ", v ",
              v_gxv.sizes(), ", expected [t, heads, k], [kv_heads, x, k], [kv_heads, x, v]");
  const at::ScalarType type = q_thk.scalar_type();
  TORCH_CHECK((type == at::kFloat || type == at::kDouble) && k_gxk.scalar_type() == type &&
                  v_gxv.scalar_type() == type && q_thk.is_contiguous() && k_gxk.is_contiguous() &&
                  v_gxv.is_contiguous(),
              "AttendKeyBlock: found types ", type, ", ", k_gxk.scalar_type(), ", ",
              v_gxv.scalar_type(), ", expected fp32, contiguous");
  const int64_t tokens = q_thk.size(0);
  CheckRuns(runs, tokens, k_gxk.size(1));
  if (type == at::kDouble) return fp64::AttendKeyBlock(q_thk, k_gxk, v_gxv, runs, softmax_scale);

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
  const auto alike = [](const at::Tensor& a, const at::Tensor& b) {
    return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && a.is_contiguous() &&
           b.is_contiguous();
  };
  TORCH_CHECK(alike(sum.out_thv, block.out_thv) && alike(sum.log_sum_exp_ht, block.log_sum_exp_ht),
              "MergeAttention: found ", block.out_thv.sizes(), " of ", block.out_thv.scalar_type(),
              " and ", block.log_sum_exp_ht.sizes(), ", expected ", sum.out_thv.sizes(), " of ",
              sum.out_thv.scalar_type(), " and ", sum.log_sum_exp_ht.sizes(), ", contiguous");
  if (sum.out_thv.scalar_type() == at::kDouble) return MergeRows<double>(sum, block);
  MergeRows<float>(sum, block);
}

}  // namespace deduce
