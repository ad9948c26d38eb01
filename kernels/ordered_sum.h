// Sums whose bits must not depend on how many elements there are together: of what micro-batches
// report.
#pragma once

#include <ATen/core/Tensor.h>

namespace deduce {

// Sum of the elements, fp64 [], on their device, without a gradient. On the CPU fp32 and fp64 are
// added one after another in order of index; elsewhere in the order of at::sum.
at::Tensor OrderedSum(const at::Tensor& values_n);

// The same of those elements whose mask is not 0. mask_n: of any type.
at::Tensor MaskedSum(const at::Tensor& values_n, const at::Tensor& mask_n);

}  // namespace deduce
