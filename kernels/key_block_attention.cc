#include "kernels/key_block_attention.h"

#include <algorithm>

#include "kernels/cpu/attention_gradient.h"
#include "kernels/cpu/key_block_attention.h"
#include "kernels/form.h"
#include "kernels/plain/attention.h"

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
  CheckRuns(runs, q_thk.size(0), k_gxk.size(1));
  return (HasCpuForm(q_thk) ? cpu::AttendKeyBlock : plain::AttendKeyBlock)(q_thk, k_gxk, v_gxv,
                                                                           runs, softmax_scale);
}

AttentionGradients KeyBlockGradients(const AttentionState& state, const KeyRuns& runs,
                                     double softmax_scale) {
  return (HasCpuForm(state.q_thk) ? cpu::KeyBlockGradients : plain::KeyBlockGradients)(
      state, runs, softmax_scale);
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
  (HasCpuForm(sum.out_thv) ? cpu::MergeAttention : plain::MergeAttention)(sum, block);
}

}  // namespace deduce
