#include "trainer/model/ffn.h"

#include "kernels/linear.h"
#include "kernels/swiglu.h"

namespace deduce {

Ffn::Ffn(int64_t hidden, int64_t width, const std::string& prefix, ParameterFactory& factory)
    : gate_proj_(factory.Matrix(prefix + "gate_proj.weight", width, hidden)),
      up_proj_(factory.Matrix(prefix + "up_proj.weight", width, hidden)),
      down_proj_(factory.Matrix(prefix + "down_proj.weight", hidden, width)) {}

at::Tensor Ffn::Forward(const at::Tensor& x_td) const {
  return Linear(SwiGlu(Linear(x_td, gate_proj_.leaf()), Linear(x_td, up_proj_.leaf())),
                down_proj_.leaf());
}

}  // namespace deduce
