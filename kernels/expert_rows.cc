#include "kernels/expert_rows.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "kernels/backward/autograd.h"
#include "kernels/cpu/masked_vector.h"
#include "kernels/form.h"

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
  if (!expert_tk.is_cpu()) return plain::OrderByExpert(expert_tk, num_experts);
  const int64_t pairs = expert_tk.numel();
  const at::Tensor experts = expert_tk.contiguous();
  const int64_t* expert = experts.const_data_ptr<int64_t>();
  ExpertOrder order{at::empty(expert_tk.sizes(), expert_tk.options()),
                    at::zeros({num_experts}, expert_tk.options())};
  int64_t* count = order.rows_per_expert_e.mutable_data_ptr<int64_t>();
  for (int64_t pair = 0; pair < pairs; ++pair) {
    TORCH_CHECK(expert[pair] >= 0 && expert[pair] < num_experts, "OrderByExpert: found expert ",
                expert[pair], ", expected one of ", num_experts);
    ++count[expert[pair]];
  }
  std::vector<int64_t> next(static_cast<size_t>(num_experts), 0);
  for (size_t e = 1; e < next.size(); ++e) next[e] = next[e - 1] + count[e - 1];
  int64_t* row = order.row_tk.mutable_data_ptr<int64_t>();
  for (int64_t pair = 0; pair < pairs; ++pair)
    row[pair] = next[static_cast<size_t>(expert[pair])]++;
  return order;
}

at::Tensor GatherRows(const at::Tensor& x_td, const at::Tensor& row_tk) {
  if (!HasCpuForm(x_td)) return plain::GatherRows(x_td, row_tk);
  if (WantsGradient(x_td)) return GatherFunction::apply(x_td, row_tk);
  return Gathered(x_td, row_tk);
}

at::Tensor CombineRows(const at::Tensor& rows_nd, const at::Tensor& gate_tk,
                       const at::Tensor& row_tk) {
  TORCH_CHECK(
      rows_nd.dim() == 2 && rows_nd.size(0) == row_tk.numel() && gate_tk.sizes() == row_tk.sizes(),
      "CombineRows: found rows ", rows_nd.sizes(), " and gates ", gate_tk.sizes(),
      ", expected rows and gates for pairs ", row_tk.sizes());
  if (!HasCpuForm(rows_nd)) return plain::CombineRows(rows_nd, gate_tk, row_tk);
  const at::Tensor rows = rows_nd.contiguous();
  const at::Tensor gates = gate_tk.contiguous();
  if (WantsGradient(rows, gates)) return CombineFunction::apply(rows, gates, row_tk);
  return Combined(rows, gates.const_data_ptr<float>(), row_tk);
}

}  // namespace deduce
