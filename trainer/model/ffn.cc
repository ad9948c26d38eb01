#include "trainer/model/ffn.h"

#include "kernels/swiglu.h"

namespace deduce {

Ffn::Ffn(int64_t hidden, int64_t width, bool bias, const std::string& prefix,
         ParameterFactory& factory)
    : gate_proj_(prefix + "gate_proj", width, hidden, bias, factory),
      up_proj_(prefix + "up_proj", width, hidden, bias, factory),
      down_proj_(prefix + "down_proj", hidden, width, bias, factory) {}

at::Tensor Ffn::Hidden(const at::Tensor& x_td) const {
  return SwiGlu(gate_proj_.Forward(x_td), up_proj_.Forward(x_td));
}

}  // namespace deduce
