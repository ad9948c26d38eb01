// The one content hash of files, slices and weights: XXH3, 64 bits, 16 hexadecimal digits. It finds
// accidents, not attackers.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

namespace deduce {

std::string ContentHash(std::string_view bytes);

// The raw bytes of a contiguous CPU tensor, and their hash.
std::string_view TensorBytes(const at::Tensor& tensor);
std::string ContentHash(const at::Tensor& tensor);

}  // namespace deduce
