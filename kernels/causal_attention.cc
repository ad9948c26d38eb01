#include "kernels/causal_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/backward/autograd.h"
#include "kernels/cpu/attention_row.h"
#include "kernels/form.h"
#include "kernels/key_block_attention.h"
#include "kernels/plain/attention.h"

namespace deduce {
namespace {

// Keys and values by head, [kv_heads, t, width], so that a head's rows are neighbours.
at::Tensor ByHead(const at::Tensor& x_tgk) { return x_tgk.transpose(0, 1).contiguous(); }

// A token sees itself and the earlier ones of its sequence.
KeyRuns RunsOf(const std::vector<int64_t>& sequence_starts) {
  KeyRuns runs{sequence_starts, sequence_starts, {}};
  const std::vector<int64_t> first_t = FirstKeys(runs);
  for (size_t i = 0; i < first_t.size(); ++i)
    runs.visible_t.push_back(static_cast<int64_t>(i) - first_t[i] + 1);
  return runs;
}

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& q_thk,
                            const at::Tensor& k_xgk, const at::Tensor& v_xgv, const KeyRuns& runs,
                            double softmax_scale) {
    const BelowAutograd guard;
    const PartialAttention result =
        AttendKeyBlock(q_thk, ByHead(k_xgk), ByHead(v_xgv), runs, softmax_scale);
    ctx->save_for_backward({q_thk, k_xgk, v_xgv, result.out_thv, result.log_sum_exp_ht});
    ctx->saved_data["query_starts"] = runs.query_starts;
    ctx->saved_data["key_starts"] = runs.key_starts;
    ctx->saved_data["visible_t"] = runs.visible_t;
    ctx->saved_data["softmax_scale"] = softmax_scale;
    return result.out_thv;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const auto numbers = [&](const char* name) { return ctx->saved_data[name].toIntVector(); };
    const BelowAutograd guard;
    const AttentionGradients out = KeyBlockGradients(
        {saved[0], ByHead(saved[1]), ByHead(saved[2]), saved[3], saved[4], grads[0].contiguous()},
        {numbers("query_starts"), numbers("key_starts"), numbers("visible_t")},
        ctx->saved_data["softmax_scale"].toDouble());
    return {out.grad_q_thk, out.grad_k_gxk.transpose(0, 1), out.grad_v_gxv.transpose(0, 1),
            at::Tensor(), at::Tensor()};
  }
};

void CheckStarts(const std::vector<int64_t>& starts, int64_t tokens) {
  TORCH_CHECK(!starts.empty() && starts.front() == 0 && starts.back() == tokens &&
                  std::is_sorted(starts.begin(), starts.end()),
              "CausalAttention: found sequence_starts of ", starts.size(), " entries from ",
              starts.empty() ? -1 : starts.front(), " to ", starts.empty() ? -1 : starts.back(),
              ", expected rising offsets from 0 to ", tokens);
}

// One head's rows of a slot.
HeadRows SlotRows(const at::Tensor& cache_spgk, int64_t slot, int64_t head) {
  return {cache_spgk.const_data_ptr<float>() + slot * cache_spgk.stride(0) +
              head * cache_spgk.stride(2),
          cache_spgk.stride(1), cache_spgk.size(3)};
}

void CheckPlaces(const at::Tensor& cache_spgk, const std::vector<int64_t>& slots,
                 const std::vector<int64_t>& positions) {
  for (size_t i = 0; i < slots.size(); ++i) {
    TORCH_CHECK(slots[i] >= 0 && slots[i] < cache_spgk.size(0) && positions[i] >= 0 &&
                    positions[i] < cache_spgk.size(1),
                "cache: found slot ", slots[i], " position ", positions[i], ", expected less than ",
                cache_spgk.size(0), " and ", cache_spgk.size(1));
  }
}

// CachedAttention in fp32 on the CPU, vectorised.
at::Tensor CachedRows(const at::Tensor& q_thk, const at::Tensor& k_cache_spgk,
                      const at::Tensor& v_cache_spgv, const std::vector<int64_t>& slots,
                      const std::vector<int64_t>& positions, double softmax_scale) {
  const int64_t rows = q_thk.size(0);
  const int64_t longest = rows == 0 ? 0 : 1 + *std::max_element(positions.begin(), positions.end());
  const at::Tensor q = q_thk.contiguous();
  const int64_t heads = q.size(1);
  const int64_t group = heads / k_cache_spgk.size(2);
  const int64_t v_width = v_cache_spgv.size(3);
  at::Tensor out_thv = at::empty({rows, heads, v_width}, q.options());
  const float* q_data = q.const_data_ptr<float>();
  float* out = out_thv.data_ptr<float>();
  // The heads of a group look at the same keys.
  const int64_t kv_heads = k_cache_spgk.size(2);
  at::parallel_for(0, rows * kv_heads, 4, [&](int64_t begin, int64_t end) {
    ScoreRows scores(std::min(kQueriesAtATime, group), longest);
    float log_sum_exp[kQueriesAtATime];
    int64_t visible[kQueriesAtATime];
    for (int64_t i = begin; i < end; ++i) {
      const auto row = static_cast<size_t>(i / kv_heads);
      const HeadRows keys = SlotRows(k_cache_spgk, slots[row], i % kv_heads);
      const HeadRows values = SlotRows(v_cache_spgv, slots[row], i % kv_heads);
      std::fill_n(visible, kQueriesAtATime, positions[row] + 1);
      for (int64_t first = 0; first < group; first += kQueriesAtATime) {
        const int64_t head = i * group + first;  // of all rows'
        AttendRows({q_data + head * q.size(2), q.size(2), visible,
                    std::min(kQueriesAtATime, group - first)},
                   keys, values, static_cast<float>(softmax_scale), scores, out + head * v_width,
                   v_width, log_sum_exp);
      }
    }
  });
  return out_thv;
}

}  // namespace

at::Tensor CausalAttention(const at::Tensor& q_thk, const at::Tensor& k_tgk,
                           const at::Tensor& v_tgv, const std::vector<int64_t>& sequence_starts,
                           double softmax_scale) {
  TORCH_CHECK(q_thk.dim() == 3 && k_tgk.dim() == 3 && v_tgv.dim() == 3 &&
                  q_thk.size(0) == k_tgk.size(0) && k_tgk.size(0) == v_tgv.size(0) &&
                  q_thk.size(2) == k_tgk.size(2) && k_tgk.size(1) == v_tgv.size(1) &&
                  q_thk.size(1) % k_tgk.size(1) == 0,
              "CausalAttention: found q ", q_thk.sizes(), ", k ", k_tgk.sizes(), ", v ",
              v_tgv.sizes(), ", expected [t, heads, k], [t, kv_heads, k], [t, kv_heads, v]");
  CheckStarts(sequence_starts, k_tgk.size(0));
  return AttentionOverRuns(q_thk, k_tgk, v_tgv, RunsOf(sequence_starts), softmax_scale);
}

at::Tensor AttentionOverRuns(const at::Tensor& q_thk, const at::Tensor& k_xgk,
                             const at::Tensor& v_xgv, const KeyRuns& runs, double softmax_scale) {
  TORCH_CHECK(k_xgk.dim() == 3 && v_xgv.dim() == 3, "AttentionOverRuns: found k ", k_xgk.sizes(),
              ", v ", v_xgv.sizes(), ", expected [x, kv_heads, k], [x, kv_heads, v]");
  const at::Tensor q = q_thk.contiguous();
  if (WantsGradient(q, k_xgk, v_xgv))
    return AttentionFunction::apply(q, k_xgk, v_xgv, runs, softmax_scale);
  const BelowAutograd guard;
  return AttendKeyBlock(q, ByHead(k_xgk), ByHead(v_xgv), runs, softmax_scale).out_thv;
}

bool KeptByAttention(const at::Tensor& out) {
  const at::TensorBase& whole = out.is_view() ? out._base() : out;
  using Node = torch::autograd::CppNode<AttentionFunction>;
  return whole.numel() == out.numel() &&
         dynamic_cast<const Node*>(whole.grad_fn().get()) != nullptr;
}

at::Tensor CachedAttention(const at::Tensor& q_thk, const at::Tensor& k_cache_spgk,
                           const at::Tensor& v_cache_spgv, const std::vector<int64_t>& slots,
                           const std::vector<int64_t>& positions, double softmax_scale) {
  TORCH_CHECK(q_thk.dim() == 3 && k_cache_spgk.dim() == 4 && v_cache_spgv.dim() == 4 &&
                  q_thk.size(2) == k_cache_spgk.size(3) && k_cache_spgk.stride(3) == 1 &&
                  v_cache_spgv.stride(3) == 1 &&
                  k_cache_spgk.sizes().slice(0, 3) == v_cache_spgv.sizes().slice(0, 3) &&
                  q_thk.size(1) % k_cache_spgk.size(2) == 0 &&
                  k_cache_spgk.scalar_type() == q_thk.scalar_type() &&
                  v_cache_spgv.scalar_type() == q_thk.scalar_type(),
              "CachedAttention: found q ", q_thk.sizes(), ", k ", k_cache_spgk.sizes(), ", v ",
              v_cache_spgv.sizes(),
              ", expected [t, heads, k], [slots, positions, kv_heads, k], [slots, positions, "
              "kv_heads, v] of one type");
  const int64_t rows = q_thk.size(0);
  TORCH_CHECK(
      static_cast<int64_t>(slots.size()) == rows && static_cast<int64_t>(positions.size()) == rows,
      "CachedAttention: found ", slots.size(), " slots and ", positions.size(),
      " positions, expected ", rows);
  CheckPlaces(k_cache_spgk, slots, positions);
  const BelowAutograd guard;
  return (HasCpuForm(q_thk) ? CachedRows : plain::CachedAttention)(
      q_thk, k_cache_spgk, v_cache_spgv, slots, positions, softmax_scale);
}

void WriteCacheRows(at::Tensor& cache_spgk, const at::Tensor& rows_tgk,
                    const std::vector<int64_t>& slots, const std::vector<int64_t>& positions) {
  const int64_t width = cache_spgk.size(2) * cache_spgk.size(3);
  TORCH_CHECK(rows_tgk.numel() == static_cast<int64_t>(slots.size()) * width &&
                  slots.size() == positions.size() && cache_spgk.is_contiguous() &&
                  cache_spgk.scalar_type() == rows_tgk.scalar_type(),
              "WriteCacheRows: found rows of shape ", rows_tgk.sizes(), " for ", slots.size(),
              " slots and ", positions.size(), " positions, expected ", width, " numbers a row of ",
              cache_spgk.scalar_type());
  CheckPlaces(cache_spgk, slots, positions);
  if (!HasCpuForm(cache_spgk)) return plain::WriteCacheRows(cache_spgk, rows_tgk, slots, positions);
  const at::Tensor rows = rows_tgk.contiguous();
  const float* from = rows.const_data_ptr<float>();
  float* to = cache_spgk.mutable_data_ptr<float>();
  for (size_t i = 0; i < slots.size(); ++i) {
    std::copy_n(from + static_cast<int64_t>(i) * width, width,
                to + (slots[i] * cache_spgk.size(1) + positions[i]) * width);
  }
}

}  // namespace deduce
