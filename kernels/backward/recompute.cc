#include "kernels/backward/recompute.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace deduce {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Segment = std::function<at::Tensor(const at::Tensor&)>;

// As an autograd context holds it.
struct Held : torch::CustomClassHolder {
  explicit Held(Segment function_in) : function(std::move(function_in)) {}
  const Segment function;
};

struct RecomputedFunction : torch::autograd::Function<RecomputedFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const Segment& function) {
    context->save_for_backward({x});
    context->saved_data["function"] =
        c10::IValue::make_capsule(c10::make_intrusive<Held>(function));
    const c10::NoGradGuard no_grad;
    return function(x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor x = context->get_saved_variables()[0].detach().requires_grad_(true);
    const auto held = context->saved_data["function"].toCapsule();
    at::Tensor y;
    {
      const at::AutoGradMode with_graph(true);
      y = static_cast<const Held&>(*held).function(x);
    }
    torch::autograd::backward({y}, {gradients[0]});
    return {x.grad(), at::Tensor()};
  }
};

}  // namespace

at::Tensor Recomputed(const at::Tensor& x, const Segment& function) {
  if (!c10::GradMode::is_enabled()) return function(x);
  TORCH_CHECK(x.requires_grad(), "Recomputed: found an input without gradient, expected one with");
  return RecomputedFunction::apply(x, function);
}

}  // namespace deduce
