#include "trainer/model/ffn.h"

#include "kernels/swiglu.h"
#include "trainer/model/tensor_axis.h"

namespace deduce {

Ffn::Ffn(int64_t hidden, int64_t width, bool bias, const std::string& prefix,
         ParameterFactory& factory, bool split)
    : gate_proj_(prefix + "gate_proj", width, hidden, bias, factory,
                 split ? SplitBy::kRows : SplitBy::kNone),
      up_proj_(prefix + "up_proj", width, hidden, bias, factory,
               split ? SplitBy::kRows : SplitBy::kNone),
      down_proj_(prefix + "down_proj", hidden, width, bias, factory,
                 split ? SplitBy::kColumns : SplitBy::kNone) {}

at::Tensor Ffn::Forward(const at::Tensor& x_td, const ForwardContext& context) const {
  return down_proj_.ForwardColumns(Hidden(GatherTokens(x_td, context)), context);
}

at::Tensor Ffn::Hidden(const at::Tensor& x_td) const {
  const auto inputs_tf = Projection::ForwardEach(x_td, {&gate_proj_, &up_proj_});
  return SwiGlu(inputs_tf[0], inputs_tf[1]);
}

}  // namespace deduce
