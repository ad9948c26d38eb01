#include "trainer/model/projection.h"

#include "kernels/linear.h"

namespace deduce {

Projection::Projection(const std::string& name, int64_t out, int64_t in, bool with_bias,
                       ParameterFactory& factory, SplitBy split)
    : weight_(factory.Matrix(name + ".weight", out, in, split)) {
  if (!with_bias) return;
  bias_ =
      factory.Bias(name + ".bias", out, split == SplitBy::kRows ? SplitBy::kRows : SplitBy::kNone);
}

at::Tensor Projection::Forward(const at::Tensor& x_ti) const {
  const at::Tensor product_to = Linear(x_ti, weight_.weight(), weight_.compute());
  return bias_ ? product_to.add(bias_->leaf()) : product_to;
}

}  // namespace deduce
