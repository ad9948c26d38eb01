// How a kernel is held to its formula: the same inputs in float64 through plain ATen operations,
// values and gradients; and to its promise that a row's bits depend on the row alone.
#pragma once

// ATen's operators without the declarations of all its functions.
#ifndef AT_PER_OPERATOR_HEADERS
#define AT_PER_OPERATOR_HEADERS
#endif
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/random.h"
#include "tests/testing/same_bits.h"

namespace deduce {

// Normal numbers that are a function of the name.
inline at::Tensor NormalTensor(std::string_view name, at::IntArrayRef sizes, double deviation = 1) {
  at::Tensor out = at::empty(sizes, at::kFloat);
  FillNormal(RandomStream(7, name), 0, deviation, out);
  return out;
}

// |actual - expected| <= bound * (1 + |expected|) everywhere.
inline void ExpectNear(const at::Tensor& actual, const at::Tensor& expected, double bound,
                       std::string_view what) {
  ASSERT_EQ(actual.sizes(), expected.sizes()) << what;
  if (actual.numel() == 0) return;
  const at::Tensor wide = expected.detach().to(at::kDouble);
  const at::Tensor error = (actual.detach().to(at::kDouble) - wide).abs() / (wide.abs() + 1);
  EXPECT_LE(error.max().item<double>(), bound) << what;
}

using TensorFunction = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

// Runs `kernel` on the fp32 inputs and `formula` on their float64 copies and compares the results
// and the gradients of all inputs under the same random output gradient.
inline void ExpectMatchesFormula(const std::vector<at::Tensor>& inputs,
                                 const TensorFunction& kernel, const TensorFunction& formula,
                                 double bound) {
  std::vector<at::Tensor> narrow, wide;
  for (const at::Tensor& input : inputs) {
    narrow.push_back(input.detach().clone().set_requires_grad(true));
    wide.push_back(input.detach().to(at::kDouble).set_requires_grad(true));
  }
  const at::Tensor actual = kernel(narrow);
  const at::Tensor expected = formula(wide);
  ExpectNear(actual, expected, bound, "result");
  const at::Tensor grad = NormalTensor("output gradient", actual.sizes());
  actual.backward(grad);
  expected.backward(grad.to(at::kDouble));
  for (size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(narrow[i].grad().defined()) << "input " << i;
    ExpectNear(narrow[i].grad(), wide[i].grad(), bound, "gradient of input " + std::to_string(i));
  }
}

// Every count of leading rows, and every row alone, has the bits it has among all rows of x.
inline void ExpectRowBitsIndependent(const at::Tensor& x,
                                     const std::function<at::Tensor(const at::Tensor&)>& kernel) {
  const at::Tensor all = kernel(x);
  for (int64_t count = 1; count <= x.size(0); ++count) {
    ASSERT_TRUE(SameBits(kernel(x.narrow(0, 0, count)), all.narrow(0, 0, count)))
        << count << " rows of " << x.sizes();
  }
  for (int64_t row = 0; row < x.size(0); ++row) {
    ASSERT_TRUE(SameBits(kernel(x.narrow(0, row, 1)), all.narrow(0, row, 1)))
        << "row " << row << " of " << x.sizes();
  }
}

}  // namespace deduce
