// Reading a tensor's elements on the host: one copy and one wait for the device, whatever their
// number.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace deduce {

// The elements in order of index, converted to T: float, double or int64_t.
template <typename T>
std::vector<T> HostValues(const at::Tensor& tensor);

}  // namespace deduce
