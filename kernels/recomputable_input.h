// The part of its input that a linear map keeps until backward: nothing that a neighbour already
// saves and that is cheap to recompute.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/matmul.h"

namespace deduce {

struct RecomputableInput {
  enum class Kind : int64_t {
    kOperand,  // the operand itself
    kRounded,  // the input, which others keep
    kNormed,   // input and weight of the RmsNorm that made it
    kGated     // gate and up of the SwiGlu that made it
  };
  Kind kind = Kind::kOperand;
  std::vector<at::Tensor> tensors;  // without gradients
  double eps = 0;                   // of the RmsNorm
};

// x_ti: the input; operand_ti: AsOperand of it.
RecomputableInput KeepInput(const at::Tensor& x_ti, const at::Tensor& operand_ti, ComputeType type);

// operand_ti again, with the same bits.
at::Tensor OperandAgain(const RecomputableInput& kept, ComputeType type);

}  // namespace deduce
