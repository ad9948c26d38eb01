#include "kernels/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>

#include "kernels/autograd.h"
#include "kernels/weight_gradient.h"

namespace deduce {
namespace {

// x_ti * weight_io, both operands of `type`, with the rows padded; the result is the first t rows
// of the padded product.
at::Tensor PaddedProduct(const at::Tensor& x_ti, const at::Tensor& weight_io, ComputeType type) {
  const int64_t rows = x_ti.size(0);
  const int64_t padded_rows = (rows + kRowPadding - 1) / kRowPadding * kRowPadding;
  if (rows == 0) return at::empty({0, weight_io.size(1)}, x_ti.options().dtype(at::kFloat));
  if (padded_rows == rows) return Matmul(x_ti, weight_io, type);
  // Plain copies: in a rollout's small products, ATen calls would cost as much as the product.
  const at::Tensor contiguous_ti = x_ti.contiguous();
  const at::Tensor padded_ti = at::empty({padded_rows, x_ti.size(1)}, x_ti.options());
  char* padded = static_cast<char*>(padded_ti.data_ptr());
  const size_t bytes = contiguous_ti.nbytes();
  std::memcpy(padded, contiguous_ti.const_data_ptr(), bytes);
  std::memset(padded + bytes, 0, padded_ti.nbytes() - bytes);
  return Matmul(padded_ti, weight_io, type).narrow(0, 0, rows);
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x_ti,
                            const at::Tensor& weight_oi, int64_t type_number) {
    const BelowAutograd guard;
    const ComputeType type{static_cast<int>(type_number)};
    const at::Tensor operand_ti = AsOperand(x_ti, type);
    ctx->save_for_backward({operand_ti, weight_oi});
    ctx->saved_data["type"] = type_number;
    return PaddedProduct(operand_ti, AsOperand(weight_oi, type).t(), type);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& operand_ti = saved[0];
    const at::Tensor& weight_oi = saved[1];
    const BelowAutograd guard;
    const ComputeType type{static_cast<int>(ctx->saved_data["type"].toInt())};
    const at::Tensor grad_to = AsOperand(grads[0].contiguous(), type);
    at::Tensor grad_x_ti, grad_weight_oi;
    if (ctx->needs_input_grad(0))
      grad_x_ti = PaddedProduct(grad_to, AsOperand(weight_oi, type), type);
    if (ctx->needs_input_grad(1)) {
      grad_weight_oi = WeightGradient(
          weight_oi, [=, x_ti = operand_ti] { return Matmul(grad_to.t(), x_ti, type); });
    }
    return {grad_x_ti, grad_weight_oi, at::Tensor()};
  }
};

}  // namespace

at::Tensor Linear(const at::Tensor& x_ti, const at::Tensor& weight_oi, ComputeType type) {
  TORCH_CHECK(x_ti.dim() == 2 && weight_oi.dim() == 2 && x_ti.size(1) == weight_oi.size(1),
              "Linear: found x ", x_ti.sizes(), " and weight ", weight_oi.sizes(),
              ", expected [t, in] and [out, in]");
  if (x_ti.scalar_type() == at::kDouble) return at::matmul(x_ti, weight_oi.t());
  TORCH_CHECK(x_ti.scalar_type() == at::kFloat && IsWeight(weight_oi, type), "Linear: found types ",
              x_ti.scalar_type(), " and ", weight_oi.scalar_type(),
              ", expected fp32 for both (or a bf16 weight to compute in bf16)");
  if (WantsGradient(x_ti, weight_oi))
    return LinearFunction::apply(x_ti, weight_oi, static_cast<int64_t>(type));
  const BelowAutograd guard;
  return PaddedProduct(AsOperand(x_ti, type), AsOperand(weight_oi, type).t(), type);
}

}  // namespace deduce
