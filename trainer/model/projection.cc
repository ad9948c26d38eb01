#include "trainer/model/projection.h"

#include "kernels/linear.h"
#include "trainer/model/tensor_axis.h"

namespace deduce {

Projection::Projection(const std::string& name, int64_t out, int64_t in, bool with_bias,
                       ParameterFactory& factory, SplitBy split)
    : weight_(factory.Matrix(name + ".weight", out, in, split)) {
  if (!with_bias) return;
  bias_ =
      factory.Bias(name + ".bias", out, split == SplitBy::kRows ? SplitBy::kRows : SplitBy::kNone);
}

at::Tensor Projection::Forward(const at::Tensor& x_ti) const {
  return AddBias(Linear(x_ti, weight_.weight(), weight_.compute()));
}

at::Tensor Projection::ForwardColumns(const at::Tensor& x_ti, const ForwardContext& context) const {
  return AddBias(SumOverPieces(Linear(x_ti, weight_.weight(), weight_.compute()), context));
}

at::Tensor Projection::AddBias(const at::Tensor& product_to) const {
  return bias_ ? product_to.add(bias_->leaf()) : product_to;
}

}  // namespace deduce
