// Equality of tensors to the last bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstring>

namespace deduce {

// Of any strides. memcmp may not be given the null pointer of an empty tensor.
inline bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor left = a.detach().contiguous(), right = b.detach().contiguous();
  return left.scalar_type() == right.scalar_type() && left.sizes() == right.sizes() &&
         (left.numel() == 0 ||
          std::memcmp(left.const_data_ptr(), right.const_data_ptr(), left.nbytes()) == 0);
}

}  // namespace deduce
