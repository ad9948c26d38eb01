#include "trainer/checkpoint/content_hash.h"

#include <c10/util/Exception.h>
#include <xxhash.h>

#include "absl/strings/str_cat.h"

namespace deduce {

std::string ContentHash(std::string_view bytes) {
  return absl::StrCat(absl::Hex(XXH3_64bits(bytes.data(), bytes.size()), absl::kZeroPad16));
}

std::string_view TensorBytes(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous() && tensor.is_cpu(), "expected a contiguous CPU tensor, got ",
              tensor.toString(), " of sizes ", tensor.sizes());
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

std::string ContentHash(const at::Tensor& tensor) { return ContentHash(TensorBytes(tensor)); }

}  // namespace deduce
