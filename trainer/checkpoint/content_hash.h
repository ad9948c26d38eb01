// The one content hash of files, slices and weights: XXH3, 64 bits, 16 hexadecimal digits. It finds
// accidents, not attackers.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace deduce {

std::string ContentHash(std::string_view bytes);

// That of a regular file's bytes, which are read piece by piece. Errors: ReadableFile's.
absl::StatusOr<std::string> ContentHashOfFile(const std::string& path);

// The raw bytes of a contiguous CPU tensor; and their hash, of a contiguous tensor anywhere.
std::string_view TensorBytes(const at::Tensor& tensor);
std::string ContentHash(const at::Tensor& tensor);

}  // namespace deduce
