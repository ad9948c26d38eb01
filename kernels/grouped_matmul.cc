#include "kernels/grouped_matmul.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numeric>

#include "kernels/backward/autograd.h"
#include "kernels/backward/weight_gradient.h"

namespace deduce {
namespace {

// Rows are independent in a padded product, so an expert's padding may be the next expert's rows: a
// product reads on into them, and what it writes there is overwritten when their expert's turn
// comes. Only experts whose padding would leave the buffer read from a zero-padded copy of the last
// rows. Both are operands of `type`; `weight_eio` is [experts, in, out], each expert's part as
// MatmulInto takes it.
at::Tensor PaddedProducts(const at::Tensor& x_ni, const at::Tensor& weight_eio,
                          const std::vector<int64_t>& rows_per_expert, ComputeType type) {
  const int64_t n = x_ni.size(0);
  const at::TensorOptions options =
      type == ComputeType::kFloat32 ? x_ni.options() : x_ni.options().dtype(at::kFloat);
  at::Tensor out_no = at::empty({n + kRowPadding, weight_eio.size(2)}, options);
  at::Tensor tail_ri;
  int64_t tail_start = n;
  int64_t start = 0;
  for (size_t expert = 0; expert < rows_per_expert.size(); ++expert) {
    const int64_t rows = rows_per_expert[expert];
    if (rows == 0) continue;
    const int64_t padded_rows = PaddedRows(rows);
    if (start + padded_rows > n && !tail_ri.defined()) {
      tail_start = start;
      tail_ri = at::empty({n - start + kRowPadding, x_ni.size(1)}, x_ni.options());
      tail_ri.narrow(0, 0, n - start).copy_(x_ni.narrow(0, start, n - start));
      tail_ri.narrow(0, n - start, kRowPadding).zero_();
    }
    const at::Tensor rows_ri = tail_ri.defined()
                                   ? tail_ri.narrow(0, start - tail_start, padded_rows)
                                   : x_ni.narrow(0, start, padded_rows);
    MatmulInto(out_no.narrow(0, start, padded_rows), rows_ri,
               weight_eio.select(0, static_cast<int64_t>(expert)), type);
    start += rows;
  }
  return out_no.narrow(0, 0, n);
}

at::Tensor ExpertGradients(const at::Tensor& grad_no, const at::Tensor& x_ni,
                           const at::Tensor& weight_eoi,
                           const std::vector<int64_t>& rows_per_expert, ComputeType type) {
  at::Tensor grad_weight_eoi = GradientMemory(weight_eoi);
  int64_t start = 0;
  for (size_t expert = 0; expert < rows_per_expert.size(); ++expert) {
    const int64_t rows = rows_per_expert[expert];
    at::Tensor grad_oi = grad_weight_eoi.select(0, static_cast<int64_t>(expert));
    if (rows == 0) {
      grad_oi.zero_();
      continue;
    }
    MatmulInto(grad_oi, grad_no.narrow(0, start, rows).t(), x_ni.narrow(0, start, rows), type);
    start += rows;
  }
  return grad_weight_eoi;
}

class GroupedMatmulFunction : public torch::autograd::Function<GroupedMatmulFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x_ni,
                            const at::Tensor& weight_eoi,
                            const std::vector<int64_t>& rows_per_expert, int64_t type_number) {
    const BelowAutograd guard;
    const ComputeType type{static_cast<int>(type_number)};
    const at::Tensor operand_ni = AsOperand(x_ni, type);
    ctx->save_for_backward({operand_ni, weight_eoi});
    ctx->saved_data["rows_per_expert"] = rows_per_expert;
    ctx->saved_data["type"] = type_number;
    return PaddedProducts(operand_ni, AsOperand(weight_eoi, type).transpose(1, 2), rows_per_expert,
                          type);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const std::vector<int64_t> rows_per_expert = ctx->saved_data["rows_per_expert"].toIntVector();
    const ComputeType type{static_cast<int>(ctx->saved_data["type"].toInt())};
    const BelowAutograd guard;
    const at::Tensor grad_no = AsOperand(grads[0].contiguous(), type);
    at::Tensor grad_x_ni, grad_weight_eoi;
    if (ctx->needs_input_grad(0)) {
      grad_x_ni = PaddedProducts(grad_no, AsOperand(saved[1], type), rows_per_expert, type);
    }
    if (ctx->needs_input_grad(1)) {
      grad_weight_eoi = WeightGradient(saved[1], [=, x_ni = saved[0], weight_eoi = saved[1]] {
        return ExpertGradients(grad_no, x_ni, weight_eoi, rows_per_expert, type);
      });
    }
    return {grad_x_ni, grad_weight_eoi, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor GroupedMatmul(const at::Tensor& x_ni, const at::Tensor& weight_eoi,
                         const std::vector<int64_t>& rows_per_expert, ComputeType asked_type) {
  TORCH_CHECK(x_ni.dim() == 2 && weight_eoi.dim() == 3 && x_ni.size(1) == weight_eoi.size(2),
              "GroupedMatmul: found x ", x_ni.sizes(), " and weight ", weight_eoi.sizes(),
              ", expected [n, in] and [experts, out, in]");
  const bool is_double = x_ni.scalar_type() == at::kDouble;
  TORCH_CHECK(is_double ? weight_eoi.scalar_type() == at::kDouble
                        : x_ni.scalar_type() == at::kFloat && IsWeight(weight_eoi, asked_type),
              "GroupedMatmul: found types ", x_ni.scalar_type(), " and ", weight_eoi.scalar_type(),
              ", expected fp32 or fp64 for both (or a bf16 weight to compute in bf16)");
  const int64_t total = std::accumulate(rows_per_expert.begin(), rows_per_expert.end(), int64_t{0});
  TORCH_CHECK(
      static_cast<int64_t>(rows_per_expert.size()) == weight_eoi.size(0) && total == x_ni.size(0),
      "GroupedMatmul: found ", rows_per_expert.size(), " row counts adding up to ", total,
      ", expected ", weight_eoi.size(0), " adding up to ", x_ni.size(0));
  const ComputeType type = ComputeTypeFor(x_ni, asked_type);
  if (WantsGradient(x_ni, weight_eoi)) {
    return GroupedMatmulFunction::apply(x_ni, weight_eoi, rows_per_expert,
                                        static_cast<int64_t>(type));
  }
  const BelowAutograd guard;
  return PaddedProducts(AsOperand(x_ni, type), AsOperand(weight_eoi, type).transpose(1, 2),
                        rows_per_expert, type);
}

}  // namespace deduce
