#include "kernels/recomputable_input.h"

#include <ATen/core/grad_mode.h>

#include "kernels/causal_attention.h"
#include "kernels/rms_norm.h"
#include "kernels/swiglu.h"

namespace deduce {

RecomputableInput KeepInput(const at::Tensor& x_ti, const at::Tensor& operand_ti,
                            ComputeType type) {
  using Kind = RecomputableInput::Kind;
  if (const auto norm = InputsOfRmsNorm(x_ti))
    return {Kind::kNormed, {norm->x_td, norm->weight_d}, norm->eps};
  if (const auto swiglu = InputsOfSwiGlu(x_ti))
    return {Kind::kGated, {swiglu->gate_tf, swiglu->up_tf}};
  if (type != ComputeType::kFloat32 && KeptByAttention(x_ti))
    return {Kind::kRounded, {x_ti.detach()}};
  return {Kind::kOperand, {operand_ti}};
}

at::Tensor OperandAgain(const RecomputableInput& kept, ComputeType type) {
  using Kind = RecomputableInput::Kind;
  const at::NoGradGuard no_grad;
  if (kept.kind == Kind::kNormed)
    return AsOperand(RmsNorm(kept.tensors[0], kept.tensors[1], kept.eps), type);
  if (kept.kind == Kind::kGated) return AsOperand(SwiGlu(kept.tensors[0], kept.tensors[1]), type);
  return AsOperand(kept.tensors[0], type);  // of kOperand: itself
}

}  // namespace deduce
