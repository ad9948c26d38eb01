#include "kernels/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cstring>

#include "kernels/autograd.h"

namespace deduce {
namespace {

// x_ti * weight_oi^T with the rows padded; the result is the first t rows of the padded product.
at::Tensor PaddedProduct(const at::Tensor& x_ti, const at::Tensor& weight_oi) {
  const int64_t rows = x_ti.size(0);
  const int64_t padded_rows = (rows + kRowPadding - 1) / kRowPadding * kRowPadding;
  if (rows == 0) return at::empty({0, weight_oi.size(0)}, x_ti.options());
  if (padded_rows == rows) return at::mm(x_ti, weight_oi.t());
  // Plain copies: in a rollout's small products, ATen calls would cost as much as the product.
  const at::Tensor contiguous_ti = x_ti.contiguous();
  const at::Tensor padded_ti = at::empty({padded_rows, x_ti.size(1)}, x_ti.options());
  char* padded = static_cast<char*>(padded_ti.data_ptr());
  const size_t bytes = contiguous_ti.nbytes();
  std::memcpy(padded, contiguous_ti.const_data_ptr(), bytes);
  std::memset(padded + bytes, 0, padded_ti.nbytes() - bytes);
  return at::mm(padded_ti, weight_oi.t()).narrow(0, 0, rows);
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x_ti,
                            const at::Tensor& weight_oi) {
    ctx->save_for_backward({x_ti, weight_oi});
    const BelowAutograd guard;
    return PaddedProduct(x_ti, weight_oi);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor& x_ti = saved[0];
    const at::Tensor& weight_oi = saved[1];
    const BelowAutograd guard;
    const at::Tensor grad_to = grads[0].contiguous();
    at::Tensor grad_x_ti, grad_weight_oi;
    if (ctx->needs_input_grad(0)) grad_x_ti = PaddedProduct(grad_to, weight_oi.t());
    if (ctx->needs_input_grad(1)) grad_weight_oi = at::mm(grad_to.t(), x_ti);
    return {grad_x_ti, grad_weight_oi};
  }
};

}  // namespace

at::Tensor Linear(const at::Tensor& x_ti, const at::Tensor& weight_oi) {
  TORCH_CHECK(x_ti.dim() == 2 && weight_oi.dim() == 2 && x_ti.size(1) == weight_oi.size(1),
              "Linear: found x ", x_ti.sizes(), " and weight ", weight_oi.sizes(),
              ", expected [t, in] and [out, in]");
  TORCH_CHECK(x_ti.scalar_type() == weight_oi.scalar_type() &&
                  (x_ti.scalar_type() == at::kFloat || x_ti.scalar_type() == at::kBFloat16),
              "Linear: found types ", x_ti.scalar_type(), " and ", weight_oi.scalar_type(),
              ", expected fp32 or bf16 for both");
  if (WantsGradient(x_ti, weight_oi)) return LinearFunction::apply(x_ti, weight_oi);
  const BelowAutograd guard;
  return PaddedProduct(x_ti, weight_oi);
}

}  // namespace deduce
