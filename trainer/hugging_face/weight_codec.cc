#include "trainer/hugging_face/weight_codec.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace deduce {

bool IsWeightDtype(at::ScalarType dtype) {
  return dtype == at::kFloat || dtype == at::kBFloat16 || dtype == at::kHalf ||
         dtype == at::kFloat8_e4m3fn;
}

std::vector<int64_t> ScaleShape(const std::vector<int64_t>& shape) {
  std::vector<int64_t> blocks;
  for (const int64_t size : shape) blocks.push_back((size + kScaleBlock - 1) / kScaleBlock);
  return blocks;
}

void DecodeWeights(std::string_view bytes, at::ScalarType dtype, at::Tensor& out_flat) {
  TORCH_CHECK(bytes.size() == out_flat.numel() * c10::elementSize(dtype), "DecodeWeights: found ",
              bytes.size(), " bytes, expected ", out_flat.numel(), " of ", dtype);
  if (out_flat.numel() == 0) return;
  const at::NoGradGuard no_grad;
  out_flat.copy_(
      at::from_blob(const_cast<char*>(bytes.data()), {out_flat.numel()}, at::dtype(dtype)));
}

void ApplyBlockScales(std::string_view scales, const std::vector<int64_t>& shape,
                      at::Tensor& flat) {
  TORCH_CHECK(shape.size() == 2 && flat.numel() == shape[0] * shape[1], "ApplyBlockScales: found ",
              flat.numel(), " elements, expected those of a matrix");
  const std::vector<int64_t> blocks = ScaleShape(shape);
  TORCH_CHECK(scales.size() == blocks[0] * blocks[1] * sizeof(float), "ApplyBlockScales: found ",
              scales.size(), " bytes of scales, expected those of ", blocks[0], " x ", blocks[1]);
  float* values = flat.mutable_data_ptr<float>();
  for (int64_t row = 0; row < shape[0]; ++row) {
    for (int64_t block = 0; block < blocks[1]; ++block) {
      float scale;
      std::memcpy(&scale, scales.data() + (row / kScaleBlock * blocks[1] + block) * sizeof(float),
                  sizeof(float));
      const int64_t end = std::min(shape[1], (block + 1) * kScaleBlock);
      for (int64_t i = block * kScaleBlock; i < end; ++i) values[row * shape[1] + i] *= scale;
    }
  }
}

bool AllFinite(const at::Tensor& values) {
  constexpr uint32_t kExponent = 0x7f800000;  // all ones: no finite number
  const float* const begin = values.const_data_ptr<float>();
  // Counted without a branch, so that the compiler makes vectors of it.
  int64_t wrong = 0;
  for (int64_t i = 0; i < values.numel(); ++i)
    wrong += (std::bit_cast<uint32_t>(begin[i]) & kExponent) == kExponent;
  return wrong == 0;
}

at::Tensor EncodeWeights(const at::Tensor& values, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  return values.detach().to(at::kCPU, dtype).contiguous();
}

}  // namespace deduce
