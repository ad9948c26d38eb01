// A matrix of the model with or without a bias, under its Hugging Face names.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "trainer/model/forward_context.h"
#include "trainer/model/parameter.h"

namespace deduce {

class Projection {
 public:
  Projection() = default;
  // Makes NAME.weight [out, in] and, with_bias, NAME.bias [out]. split: of the weight over the
  // tensor axis; a bias follows rows, and is whole beside columns.
  Projection(const std::string& name, int64_t out, int64_t in, bool with_bias,
             ParameterFactory& factory, SplitBy split = SplitBy::kNone);

  // x_ti [t, in] -> x W^T (+ bias), [t, out]; a row's bits depend on nothing but the row.
  at::Tensor Forward(const at::Tensor& x_ti) const;

  // The same of several, all of one compute type, as one step (LinearEach).
  static std::vector<at::Tensor> ForwardEach(const at::Tensor& x_ti,
                                             std::initializer_list<const Projection*> all);

  // The same of a weight that is split by columns, of which x_ti has this rank's: SumOverPieces of
  // the products, and the bias once.
  at::Tensor ForwardColumns(const at::Tensor& x_ti, const ForwardContext& context) const;

 private:
  at::Tensor AddBias(const at::Tensor& product_to) const;

  ParameterRef weight_;
  std::optional<ParameterRef> bias_;
};

}  // namespace deduce
