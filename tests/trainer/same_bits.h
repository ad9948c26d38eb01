// Equality of tensors to the last bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstring>

namespace deduce {

// memcmp may not be given the null pointer of an empty tensor.
inline bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         (a.numel() == 0 || std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0);
}

}  // namespace deduce
