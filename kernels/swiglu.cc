#include "kernels/swiglu.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/backward/autograd.h"
#include "kernels/cpu/masked_vector.h"
#include "kernels/form.h"
#include "kernels/plain/row_functions.h"

namespace deduce {
namespace {

// Calls body(offset, count) for all vectors of n elements. With every element on the vector path,
// where a thread's part begins is free.
template <typename Body>
void ParallelVectors(int64_t n, const Body& body) {
  at::parallel_for(0, n, kElementsPerThread, [&](int64_t begin, int64_t end) {
    ForEachVector(end - begin, [&](int64_t i, int64_t count) { body(begin + i, count); });
  });
}

at::Tensor Forward(const at::Tensor& gate_tf, const at::Tensor& up_tf) {
  at::Tensor out_tf = at::empty_like(gate_tf);
  const float* gate = gate_tf.const_data_ptr<float>();
  const float* up = up_tf.const_data_ptr<float>();
  float* out = out_tf.data_ptr<float>();
  ParallelVectors(out_tf.numel(), [&](int64_t i, int64_t count) {
    const FloatVector g = LoadMasked(gate + i, count);
    StoreMasked(g * Sigmoid(g) * LoadMasked(up + i, count), out + i, count);
  });
  return out_tf;
}

class SwiGluFunction : public torch::autograd::Function<SwiGluFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& gate_tf,
                            const at::Tensor& up_tf) {
    ctx->save_for_backward({gate_tf, up_tf});
    const BelowAutograd guard;
    return Forward(gate_tf, up_tf);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const BelowAutograd guard;
    const at::Tensor grad_tf = grads[0].contiguous();
    at::Tensor grad_gate_tf = at::empty_like(grad_tf);
    at::Tensor grad_up_tf = at::empty_like(grad_tf);
    const float* gate = saved[0].const_data_ptr<float>();
    const float* up = saved[1].const_data_ptr<float>();
    const float* grad = grad_tf.const_data_ptr<float>();
    float* grad_gate = grad_gate_tf.data_ptr<float>();
    float* grad_up = grad_up_tf.data_ptr<float>();
    ParallelVectors(grad_tf.numel(), [&](int64_t i, int64_t count) {
      const FloatVector one(1.0f);
      const FloatVector g = LoadMasked(gate + i, count);
      const FloatVector d = LoadMasked(grad + i, count);
      const FloatVector s = Sigmoid(g);
      StoreMasked(d * g * s, grad_up + i, count);
      const FloatVector slope = s * (one + g * (one - s));
      StoreMasked(d * LoadMasked(up + i, count) * slope, grad_gate + i, count);
    });
    return {grad_gate_tf, grad_up_tf};
  }
};

}  // namespace

at::Tensor SwiGlu(const at::Tensor& gate_tf, const at::Tensor& up_tf) {
  TORCH_CHECK(gate_tf.sizes() == up_tf.sizes() && gate_tf.scalar_type() == up_tf.scalar_type(),
              "SwiGlu: found gate ", gate_tf.sizes(), " ", gate_tf.scalar_type(), " and up ",
              up_tf.sizes(), " ", up_tf.scalar_type(), ", expected the same shape and type");
  if (gate_tf.scalar_type() != at::kFloat && gate_tf.scalar_type() != at::kDouble) {
    return SwiGlu(gate_tf.to(at::kFloat), up_tf.to(at::kFloat)).to(gate_tf.scalar_type());
  }
  if (!HasCpuForm(gate_tf)) return plain::SwiGlu(gate_tf, up_tf);
  const at::Tensor gate = gate_tf.contiguous();
  const at::Tensor up = up_tf.contiguous();
  if (WantsGradient(gate, up)) return SwiGluFunction::apply(gate, up);
  const BelowAutograd guard;
  return Forward(gate, up);
}

std::optional<SwiGluInputs> InputsOfSwiGlu(const at::Tensor& out_tf) {
  using Node = torch::autograd::CppNode<SwiGluFunction>;
  const auto* node = dynamic_cast<const Node*>(out_tf.grad_fn().get());
  if (node == nullptr) return std::nullopt;
  const auto saved = node->ctx_.get_saved_variables();
  return SwiGluInputs{saved[0].detach(), saved[1].detach()};
}

}  // namespace deduce
