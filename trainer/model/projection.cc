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

std::vector<at::Tensor> Projection::ForwardEach(const at::Tensor& x_ti,
                                                std::initializer_list<const Projection*> all) {
  std::vector<at::Tensor> weights;
  for (const Projection* projection : all) weights.push_back(projection->weight_.weight());
  std::vector<at::Tensor> out_to = LinearEach(x_ti, weights, (*all.begin())->weight_.compute());
  size_t i = 0;
  for (const Projection* projection : all) {
    out_to[i] = projection->AddBias(out_to[i]);
    ++i;
  }
  return out_to;
}

at::Tensor Projection::ForwardColumns(const at::Tensor& x_ti, const ForwardContext& context) const {
  return AddBias(SumOverPieces(Linear(x_ti, weight_.weight(), weight_.compute()), context));
}

at::Tensor Projection::AddBias(const at::Tensor& product_to) const {
  return bias_ ? product_to.add(bias_->leaf()) : product_to;
}

}  // namespace deduce
