#include "kernels/linear.h"

#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/backward/autograd.h"
#include "kernels/backward/weight_gradient.h"
#include "kernels/recomputable_input.h"

namespace deduce {
namespace {

// operand_ti * weight^T for each of the weights.
std::vector<at::Tensor> Products(const at::Tensor& operand_ti, at::TensorList weights,
                                 ComputeType type) {
  const int64_t rows = operand_ti.size(0);
  const at::Tensor padded_xi = PadRows(operand_ti);
  std::vector<at::Tensor> products;
  for (const at::Tensor& weight_oi : weights) {
    const at::Tensor product_xo = Matmul(padded_xi, AsOperand(weight_oi, type).t(), type);
    products.push_back(padded_xi.size(0) == rows ? product_xo : product_xo.narrow(0, 0, rows));
  }
  return products;
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx,
                                                const at::Tensor& x_ti,
                                                const at::TensorList& weights,
                                                int64_t type_number) {
    const BelowAutograd guard;
    const ComputeType type{static_cast<int>(type_number)};
    const at::Tensor operand_ti = AsOperand(x_ti, type);
    RecomputableInput kept = KeepInput(x_ti, operand_ti, type);
    torch::autograd::variable_list saved(weights.begin(), weights.end());
    saved.insert(saved.end(), kept.tensors.begin(), kept.tensors.end());
    ctx->save_for_backward(std::move(saved));
    ctx->saved_data["kept"] = static_cast<int64_t>(kept.kind);
    ctx->saved_data["eps"] = kept.eps;
    ctx->saved_data["type"] = type_number;
    return Products(operand_ti, weights, type);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const BelowAutograd guard;
    const ComputeType type{static_cast<int>(ctx->saved_data["type"].toInt())};
    const at::Tensor operand_ti =
        OperandAgain({RecomputableInput::Kind{ctx->saved_data["kept"].toInt()},
                      {saved.begin() + static_cast<int64_t>(grads.size()), saved.end()},
                      ctx->saved_data["eps"].toDouble()},
                     type);
    torch::autograd::variable_list gradients(grads.size() + 2);  // and of the type
    at::Tensor grad_x_xi;
    for (size_t w = 0; w < grads.size(); ++w) {
      const at::Tensor& weight_oi = saved[w];
      const at::Tensor grad_to = AsOperand(grads[w].contiguous(), type);
      if (ctx->needs_input_grad(0)) {
        const at::Tensor padded_xo = PadRows(grad_to);
        const bool first = !grad_x_xi.defined();
        if (first)
          grad_x_xi = at::empty({padded_xo.size(0), weight_oi.size(1)}, grads[w].options());
        MatmulInto(grad_x_xi, padded_xo, AsOperand(weight_oi, type), type, /*accumulate=*/!first);
      }
      if (ctx->needs_input_grad(w + 1)) {
        gradients[w + 1] = WeightGradient(weight_oi, [=, x_ti = operand_ti] {
          const at::Tensor gradient_oi = GradientMemory(weight_oi);
          MatmulInto(gradient_oi, grad_to.t(), x_ti, type);
          return gradient_oi;
        });
      }
    }
    if (grad_x_xi.defined()) gradients[0] = grad_x_xi.narrow(0, 0, operand_ti.size(0));
    return gradients;
  }
};

void Check(const at::Tensor& x_ti, const at::Tensor& weight_oi, ComputeType type) {
  TORCH_CHECK(x_ti.dim() == 2 && weight_oi.dim() == 2 && x_ti.size(1) == weight_oi.size(1),
              "Linear: found x ", x_ti.sizes(), " and weight ", weight_oi.sizes(),
              ", expected [t, in] and [out, in]");
  const bool is_double = x_ti.scalar_type() == at::kDouble;
  TORCH_CHECK(is_double ? weight_oi.scalar_type() == at::kDouble
                        : x_ti.scalar_type() == at::kFloat && IsWeight(weight_oi, type),
              "Linear: found types ", x_ti.scalar_type(), " and ", weight_oi.scalar_type(),
              ", expected fp32 or fp64 for both (or a bf16 weight to compute in bf16)");
}

}  // namespace

at::Tensor PadRows(const at::Tensor& x_ti) {
  const int64_t rows = x_ti.size(0);
  const int64_t padded_rows = PaddedRows(rows);
  if (padded_rows == rows) return x_ti;
  const at::Tensor padded_ti = at::empty({padded_rows, x_ti.size(1)}, x_ti.options());
  if (!x_ti.is_cpu()) {
    padded_ti.narrow(0, 0, rows).copy_(x_ti);
    padded_ti.narrow(0, rows, padded_rows - rows).zero_();
    return padded_ti;
  }
  // Plain copies: in a rollout's small products, ATen calls would cost as much as the product.
  const at::Tensor contiguous_ti = x_ti.contiguous();
  char* padded = static_cast<char*>(padded_ti.data_ptr());
  const size_t bytes = contiguous_ti.nbytes();
  std::memcpy(padded, contiguous_ti.const_data_ptr(), bytes);
  std::memset(padded + bytes, 0, padded_ti.nbytes() - bytes);
  return padded_ti;
}

std::vector<at::Tensor> LinearEach(const at::Tensor& x_ti, const std::vector<at::Tensor>& weights,
                                   ComputeType asked_type) {
  for (const at::Tensor& weight_oi : weights) Check(x_ti, weight_oi, asked_type);
  const ComputeType type = ComputeTypeFor(x_ti, asked_type);
  const auto wants = [](const at::Tensor& tensor) { return WantsGradient(tensor); };
  if (wants(x_ti) || std::any_of(weights.begin(), weights.end(), wants))
    return LinearFunction::apply(x_ti, at::TensorList(weights), static_cast<int64_t>(type));
  const BelowAutograd guard;
  return Products(AsOperand(x_ti, type), weights, type);
}

at::Tensor Linear(const at::Tensor& x_ti, const at::Tensor& weight_oi, ComputeType type) {
  return std::move(LinearEach(x_ti, {weight_oi}, type).front());
}

}  // namespace deduce
