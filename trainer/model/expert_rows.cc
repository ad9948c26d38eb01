#include "trainer/model/expert_rows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/floor_divide.h>
#include <ATen/ops/index_select.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/autograd.h"
#include "kernels/cpu/masked_vector.h"

namespace deduce {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor Gathered(const at::Tensor& x_td, const at::Tensor& row_tk) {
  const int64_t d = x_td.size(1);
  const int64_t top_k = row_tk.size(1);
  at::Tensor rows_nd = at::empty({row_tk.numel(), d}, x_td.options());
  const at::Tensor x = x_td.contiguous();
  const float* from = x.const_data_ptr<float>();
  const int64_t* row = row_tk.const_data_ptr<int64_t>();
  float* to = rows_nd.mutable_data_ptr<float>();
  for (int64_t pair = 0; pair < row_tk.numel(); ++pair) {
    std::copy_n(from + pair / top_k * d, d, to + row[pair] * d);
  }
  return rows_nd;
}

// Per token the sum of its rows, each times its gate (all 1 without gates), in order of choice.
at::Tensor Combined(const at::Tensor& rows_nd, const float* gate, const at::Tensor& row_tk) {
  const int64_t d = rows_nd.size(1);
  const int64_t top_k = row_tk.size(1);
  at::Tensor out_td = at::empty({row_tk.size(0), d}, rows_nd.options());
  const float* from = rows_nd.const_data_ptr<float>();
  const int64_t* row = row_tk.const_data_ptr<int64_t>();
  float* to = out_td.mutable_data_ptr<float>();
  for (int64_t i = 0; i < row_tk.size(0); ++i) {
    ForEachVector(d, [&](int64_t offset, int64_t count) {
      FloatVector sum(0.0f);
      for (int64_t pair = i * top_k; pair < (i + 1) * top_k; ++pair) {
        const FloatVector part = LoadMasked(from + row[pair] * d + offset, count);
        sum = sum + (gate == nullptr ? part : part * FloatVector(gate[pair]));
      }
      StoreMasked(sum, to + i * d + offset, count);
    });
  }
  return out_td;
}

class GatherFunction : public torch::autograd::Function<GatherFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x_td,
                            const at::Tensor& row_tk) {
    ctx->save_for_backward({row_tk});
    const BelowAutograd guard;
    return Gathered(x_td, row_tk);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const BelowAutograd guard;
    return {Combined(grads[0].contiguous(), nullptr, saved[0]), at::Tensor()};
  }
};

class CombineFunction : public torch::autograd::Function<CombineFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& rows_nd,
                            const at::Tensor& gate_tk, const at::Tensor& row_tk) {
    ctx->save_for_backward({rows_nd, gate_tk, row_tk});
    const BelowAutograd guard;
    return Combined(rows_nd, gate_tk.const_data_ptr<float>(), row_tk);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const BelowAutograd guard;
    const at::Tensor& rows_nd = saved[0];
    const at::Tensor grad_td = grads[0].contiguous();
    at::Tensor grad_rows_nd = at::empty(rows_nd.sizes(), rows_nd.options());
    at::Tensor grad_gate_tk = at::empty(saved[1].sizes(), saved[1].options());
    const int64_t d = rows_nd.size(1);
    const int64_t top_k = saved[2].size(1);
    const float* rows = rows_nd.const_data_ptr<float>();
    const float* gate = saved[1].const_data_ptr<float>();
    const int64_t* row = saved[2].const_data_ptr<int64_t>();
    const float* grad = grad_td.const_data_ptr<float>();
    float* grad_rows = grad_rows_nd.mutable_data_ptr<float>();
    float* grad_gate = grad_gate_tk.mutable_data_ptr<float>();
    for (int64_t pair = 0; pair < saved[2].numel(); ++pair) {
      FloatVector dot(0.0f);
      ForEachVector(d, [&](int64_t offset, int64_t count) {
        const FloatVector out = LoadMasked(grad + pair / top_k * d + offset, count);
        dot = dot + out * LoadMasked(rows + row[pair] * d + offset, count);
        StoreMasked(out * FloatVector(gate[pair]), grad_rows + row[pair] * d + offset, count);
      });
      grad_gate[pair] = SumLanes(dot);
    }
    return {grad_rows_nd, grad_gate_tk, at::Tensor()};
  }
};

}  // namespace

ExpertOrder OrderByExpert(const at::Tensor& expert_tk, int64_t num_experts) {
  const int64_t pairs = expert_tk.numel();
  const at::Tensor experts = expert_tk.contiguous();
  const int64_t* expert = experts.const_data_ptr<int64_t>();
  ExpertOrder order{at::empty(expert_tk.sizes(), expert_tk.options()),
                    std::vector<int64_t>(num_experts, 0)};
  for (int64_t pair = 0; pair < pairs; ++pair) {
    TORCH_CHECK(expert[pair] >= 0 && expert[pair] < num_experts, "OrderByExpert: found expert ",
                expert[pair], ", expected one of ", num_experts);
    ++order.rows_per_expert[expert[pair]];
  }
  std::vector<int64_t> next(num_experts, 0);
  for (int64_t e = 1; e < num_experts; ++e) next[e] = next[e - 1] + order.rows_per_expert[e - 1];
  int64_t* row = order.row_tk.mutable_data_ptr<int64_t>();
  for (int64_t pair = 0; pair < pairs; ++pair) row[pair] = next[expert[pair]]++;
  return order;
}

at::Tensor GatherRows(const at::Tensor& x_td, const at::Tensor& row_tk) {
  if (x_td.scalar_type() == at::kDouble)
    return at::index_select(x_td, 0, at::argsort(row_tk.flatten()).floor_divide(row_tk.size(1)));
  if (WantsGradient(x_td)) return GatherFunction::apply(x_td, row_tk);
  return Gathered(x_td, row_tk);
}

at::Tensor CombineRows(const at::Tensor& rows_nd, const at::Tensor& gate_tk,
                       const at::Tensor& row_tk) {
  TORCH_CHECK(
      rows_nd.dim() == 2 && rows_nd.size(0) == row_tk.numel() && gate_tk.sizes() == row_tk.sizes(),
      "CombineRows: found rows ", rows_nd.sizes(), " and gates ", gate_tk.sizes(),
      ", expected rows and gates for pairs ", row_tk.sizes());
  if (rows_nd.scalar_type() == at::kDouble) {
    const at::Tensor rows_tkd = at::index_select(rows_nd, 0, row_tk.flatten())
                                    .view({row_tk.size(0), row_tk.size(1), rows_nd.size(1)});
    return (rows_tkd * gate_tk.unsqueeze(2)).sum(1);
  }
  const at::Tensor rows = rows_nd.contiguous();
  const at::Tensor gates = gate_tk.contiguous();
  if (WantsGradient(rows, gates)) return CombineFunction::apply(rows, gates, row_tk);
  return Combined(rows, gates.const_data_ptr<float>(), row_tk);
}

}  // namespace deduce
