#include "kernels/plain/row_functions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/silu.h>

namespace deduce::plain {

at::Tensor RmsNorm(const at::Tensor& x_td, const at::Tensor& weight_d, double eps) {
  return x_td * at::rsqrt((x_td * x_td).mean(1, /*keepdim=*/true) + eps) * weight_d;
}

at::Tensor SwiGlu(const at::Tensor& gate_tf, const at::Tensor& up_tf) {
  return at::silu(gate_tf) * up_tf;
}

at::Tensor Rotate(const at::Tensor& x_thk, const at::Tensor& cos_tk, const at::Tensor& sin_tk,
                  bool interleaved) {
  const int64_t half = x_thk.size(2) / 2;
  const at::Tensor cos_t1k = cos_tk.to(x_thk.scalar_type()).unsqueeze(1);
  const at::Tensor sin_t1k = sin_tk.to(x_thk.scalar_type()).unsqueeze(1);
  const at::Tensor first = interleaved ? x_thk.slice(2, 0, 2 * half, 2) : x_thk.narrow(2, 0, half);
  const at::Tensor second =
      interleaved ? x_thk.slice(2, 1, 2 * half, 2) : x_thk.narrow(2, half, half);
  return at::cat({first * cos_t1k - second * sin_t1k, second * cos_t1k + first * sin_t1k}, 2);
}

}  // namespace deduce::plain
