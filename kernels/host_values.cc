#include "kernels/host_values.h"

#include <cstdint>

namespace deduce {

template <typename T>
std::vector<T> HostValues(const at::Tensor& tensor) {
  const at::Tensor host =
      tensor.detach().to(at::kCPU, c10::CppTypeToScalarType<T>::value).contiguous();
  const T* const first = host.const_data_ptr<T>();
  return {first, first + host.numel()};
}

template std::vector<float> HostValues<float>(const at::Tensor&);
template std::vector<double> HostValues<double>(const at::Tensor&);
template std::vector<int64_t> HostValues<int64_t>(const at::Tensor&);

}  // namespace deduce
