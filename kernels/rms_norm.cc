#include "kernels/rms_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <optional>

#include "kernels/backward/autograd.h"
#include "kernels/backward/weight_gradient.h"
#include "kernels/cpu/masked_vector.h"
#include "kernels/form.h"
#include "kernels/plain/row_functions.h"

namespace deduce {
namespace {

int64_t RowGrain(int64_t width) {
  return std::max<int64_t>(1, kElementsPerThread / std::max<int64_t>(width, 1));
}

float InverseRms(const float* x, int64_t width, double eps) {
  FloatVector sum(0.0f);
  ForEachVector(width, [&](int64_t i, int64_t count) {
    const FloatVector v = LoadMasked(x + i, count);
    sum = at::vec::fmadd(v, v, sum);
  });
  return 1.0f / std::sqrt(SumLanes(sum) / static_cast<float>(width) + static_cast<float>(eps));
}

// Returns the normalised rows; inverse_rms_t may be null.
at::Tensor Forward(const at::Tensor& x_td, const at::Tensor& weight_d, double eps,
                   float* inverse_rms) {
  at::Tensor out_td = at::empty_like(x_td);
  const int64_t width = x_td.size(1);
  const float* weight = weight_d.const_data_ptr<float>();
  const float* x_data = x_td.const_data_ptr<float>();
  float* out_data = out_td.data_ptr<float>();
  at::parallel_for(0, x_td.size(0), RowGrain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* x = x_data + row * width;
      float* out = out_data + row * width;
      const float inverse = InverseRms(x, width, eps);
      if (inverse_rms != nullptr) inverse_rms[row] = inverse;
      const FloatVector scale(inverse);
      ForEachVector(width, [&](int64_t i, int64_t count) {
        StoreMasked(LoadMasked(x + i, count) * scale * LoadMasked(weight + i, count), out + i,
                    count);
      });
    }
  });
  return out_td;
}

// d/dx of row x: inverse * (g*w - xhat * mean(g*w*xhat)).
void BackwardRow(const float* x, const float* weight, const float* grad, float inverse,
                 int64_t width, float* grad_x) {
  const FloatVector scale(inverse);
  FloatVector sum(0.0f);
  ForEachVector(width, [&](int64_t i, int64_t count) {
    const FloatVector gw = LoadMasked(grad + i, count) * LoadMasked(weight + i, count);
    sum = at::vec::fmadd(gw, LoadMasked(x + i, count) * scale, sum);
  });
  const FloatVector mean(SumLanes(sum) / static_cast<float>(width));
  ForEachVector(width, [&](int64_t i, int64_t count) {
    const FloatVector gw = LoadMasked(grad + i, count) * LoadMasked(weight + i, count);
    StoreMasked((gw - LoadMasked(x + i, count) * scale * mean) * scale, grad_x + i, count);
  });
}

at::Tensor BackwardInput(const at::Tensor& x_td, const at::Tensor& weight_d,
                         const at::Tensor& grad_td, const at::Tensor& inverse_rms_t) {
  at::Tensor grad_x_td = at::empty_like(x_td);
  const int64_t width = x_td.size(1);
  const float* x = x_td.const_data_ptr<float>();
  const float* weight = weight_d.const_data_ptr<float>();
  const float* grad = grad_td.const_data_ptr<float>();
  const float* inverse_rms = inverse_rms_t.const_data_ptr<float>();
  float* grad_x = grad_x_td.data_ptr<float>();
  at::parallel_for(0, x_td.size(0), RowGrain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      BackwardRow(x + row * width, weight, grad + row * width, inverse_rms[row], width,
                  grad_x + row * width);
    }
  });
  return grad_x_td;
}

// Sums over rows in their order; threads share columns out.
at::Tensor BackwardWeight(const at::Tensor& x_td, const at::Tensor& grad_td,
                          const at::Tensor& inverse_rms_t) {
  const int64_t rows = x_td.size(0);
  const int64_t width = x_td.size(1);
  at::Tensor grad_weight_d = at::empty({width}, x_td.options());
  const float* x = x_td.const_data_ptr<float>();
  const float* grad = grad_td.const_data_ptr<float>();
  const float* inverse_rms = inverse_rms_t.const_data_ptr<float>();
  float* grad_weight = grad_weight_d.data_ptr<float>();
  at::parallel_for(0, width, RowGrain(rows), [&](int64_t begin, int64_t end) {
    ForEachVector(end - begin, [&](int64_t offset, int64_t count) {
      const int64_t i = begin + offset;
      FloatVector sum(0.0f);
      for (int64_t row = 0; row < rows; ++row) {
        const FloatVector normed =
            LoadMasked(x + row * width + i, count) * FloatVector(inverse_rms[row]);
        sum = at::vec::fmadd(LoadMasked(grad + row * width + i, count), normed, sum);
      }
      StoreMasked(sum, grad_weight + i, count);
    });
  });
  return grad_weight_d;
}

class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x_td,
                            const at::Tensor& weight_d, double eps) {
    const BelowAutograd guard;
    at::Tensor inverse_rms_t = at::empty({x_td.size(0)}, x_td.options());
    ctx->save_for_backward({x_td, weight_d, inverse_rms_t});
    ctx->saved_data["eps"] = eps;
    return Forward(x_td, weight_d, eps, inverse_rms_t.data_ptr<float>());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const BelowAutograd guard;
    const at::Tensor grad_td = grads[0].contiguous();
    at::Tensor grad_x_td, grad_weight_d;
    if (ctx->needs_input_grad(0)) grad_x_td = BackwardInput(saved[0], saved[1], grad_td, saved[2]);
    if (ctx->needs_input_grad(1)) {
      grad_weight_d =
          WeightGradient(saved[1], [=] { return BackwardWeight(saved[0], grad_td, saved[2]); });
    }
    return {grad_x_td, grad_weight_d, at::Tensor()};
  }
};

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x_td, const at::Tensor& weight_d, double eps) {
  TORCH_CHECK(x_td.dim() == 2 && weight_d.dim() == 1 && x_td.size(1) == weight_d.size(0),
              "RmsNorm: found x ", x_td.sizes(), " and weight ", weight_d.sizes(),
              ", expected [t, d] and [d]");
  const bool is_wide = x_td.scalar_type() == at::kDouble || x_td.scalar_type() == at::kFloat;
  if (!is_wide || weight_d.scalar_type() != x_td.scalar_type()) {
    return RmsNorm(x_td.to(at::kFloat), weight_d.to(at::kFloat), eps).to(x_td.scalar_type());
  }
  if (!HasCpuForm(x_td)) return plain::RmsNorm(x_td, weight_d, eps);
  const at::Tensor x = x_td.contiguous();
  const at::Tensor weight = weight_d.contiguous();
  if (WantsGradient(x, weight)) return RmsNormFunction::apply(x, weight, eps);
  const BelowAutograd guard;
  return Forward(x, weight, eps, nullptr);
}

std::optional<RmsNormInputs> InputsOfRmsNorm(const at::Tensor& normed_td) {
  using Node = torch::autograd::CppNode<RmsNormFunction>;
  const auto* node = dynamic_cast<const Node*>(normed_td.grad_fn().get());
  if (node == nullptr) return std::nullopt;
  const auto saved = node->ctx_.get_saved_variables();
  return RmsNormInputs{saved[0].detach(), saved[1].detach(),
                       node->ctx_.saved_data.at("eps").toDouble()};
}

}  // namespace deduce
