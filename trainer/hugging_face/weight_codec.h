// The bytes of a tensor in a Hugging Face file as fp32 numbers, and back.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace deduce {

// Blocks of DeepSeek's FP8 weights: kScaleBlock rows by kScaleBlock columns share a scale.
inline constexpr int64_t kScaleBlock = 128;

// A weight's name and this is the name of its scales.
inline constexpr char kScaleSuffix[] = "_scale_inv";

// Whether numbers of this type can be read: fp32, bf16, fp16, fp8 e4m3.
bool IsWeightDtype(at::ScalarType dtype);

// Shape of the scales of an fp8 matrix [out, in]: [ceil(out / 128), ceil(in / 128)].
std::vector<int64_t> ScaleShape(const std::vector<int64_t>& shape);

// Fills out_flat (fp32, contiguous) with the numbers of `bytes`, as many of `dtype`. Exact.
void DecodeWeights(std::string_view bytes, at::ScalarType dtype, at::Tensor& out_flat);

// Multiplies an fp32 matrix (flat; of `shape`, [out, in]) by its blocks' scales, fp32 of
// ScaleShape(shape), as raw bytes: value = code * scale, rounded once.
void ApplyBlockScales(std::string_view scales, const std::vector<int64_t>& shape, at::Tensor& flat);

// Whether none of these fp32 numbers (contiguous, on the host) is NaN or infinite.
bool AllFinite(const at::Tensor& values);

// fp32 numbers in the type they are stored in, rounded to the nearest (to even): what was read from
// that type comes back with the same bytes.
at::Tensor EncodeWeights(const at::Tensor& values, at::ScalarType dtype);

}  // namespace deduce
