#include "kernels/double_precision.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/repeat_interleave.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <limits>

namespace deduce::fp64 {

at::Tensor GroupedMatmul(const at::Tensor& x_ni, const at::Tensor& weight_eoi,
                         const std::vector<int64_t>& rows_per_expert) {
  const std::vector<at::Tensor> rows = x_ni.split_with_sizes(rows_per_expert, 0);
  std::vector<at::Tensor> products;
  for (size_t e = 0; e < rows.size(); ++e)
    products.push_back(at::matmul(rows[e], weight_eoi[static_cast<int64_t>(e)].t()));
  return at::cat(products);
}

at::Tensor CausalAttention(const at::Tensor& q_thk, const at::Tensor& k_xgk,
                           const at::Tensor& v_xgv, const std::vector<int64_t>& sequence_starts,
                           double softmax_scale, const std::vector<int64_t>& query_tokens) {
  const auto heads_of = [&](const at::Tensor& x_xgk) {
    return at::repeat_interleave(x_xgk.transpose(0, 1), q_thk.size(1) / x_xgk.size(1), 0);
  };
  std::vector<int64_t> first_keys;  // of each query
  for (const int64_t token : query_tokens) {
    first_keys.push_back(
        *(std::upper_bound(sequence_starts.begin(), sequence_starts.end(), token) - 1));
  }
  const at::Tensor key_1x = at::arange(k_xgk.size(0)).unsqueeze(0);
  const at::Tensor unseen_tx =
      (key_1x > at::tensor(query_tokens, at::kLong).unsqueeze(1))
          .logical_or(key_1x < at::tensor(first_keys, at::kLong).unsqueeze(1));
  const at::Tensor scores_htx =
      (at::bmm(q_thk.transpose(0, 1), heads_of(k_xgk).transpose(1, 2)) * softmax_scale)
          .masked_fill(unseen_tx, -std::numeric_limits<double>::infinity());
  return at::bmm(at::softmax(scores_htx, 2), heads_of(v_xgv)).transpose(0, 1).contiguous();
}

at::Tensor RmsNorm(const at::Tensor& x_td, const at::Tensor& weight_d, double eps) {
  return x_td * at::rsqrt((x_td * x_td).mean(1, /*keepdim=*/true) + eps) * weight_d;
}

at::Tensor Rotate(const at::Tensor& x_thk, const at::Tensor& cos_tk, const at::Tensor& sin_tk,
                  bool interleaved) {
  const int64_t half = x_thk.size(2) / 2;
  const at::Tensor cos_t1k = cos_tk.to(at::kDouble).unsqueeze(1);
  const at::Tensor sin_t1k = sin_tk.to(at::kDouble).unsqueeze(1);
  const at::Tensor first = interleaved ? x_thk.slice(2, 0, 2 * half, 2) : x_thk.narrow(2, 0, half);
  const at::Tensor second =
      interleaved ? x_thk.slice(2, 1, 2 * half, 2) : x_thk.narrow(2, half, half);
  return at::cat({first * cos_t1k - second * sin_t1k, second * cos_t1k + first * sin_t1k}, 2);
}

at::Tensor SwiGlu(const at::Tensor& gate_tf, const at::Tensor& up_tf) {
  return at::silu(gate_tf) * up_tf;
}

}  // namespace deduce::fp64
