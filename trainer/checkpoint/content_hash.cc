#include "trainer/checkpoint/content_hash.h"

#include <c10/util/Exception.h>
#include <xxhash.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {

namespace {

std::string Digits(uint64_t hash) { return absl::StrCat(absl::Hex(hash, absl::kZeroPad16)); }

}  // namespace

std::string ContentHash(std::string_view bytes) {
  return Digits(XXH3_64bits(bytes.data(), bytes.size()));
}

absl::StatusOr<std::string> ContentHashOfFile(const std::string& path) {
  ASSIGN_OR_RETURN(const ReadableFile file, ReadableFile::Open(path));
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                       &XXH3_freeState);
  TORCH_CHECK(state != nullptr, "no memory for the state of a hash");
  XXH3_64bits_reset(state.get());
  std::string piece(1 << 20, '\0');
  for (int64_t at = 0; at < file.size(); at += static_cast<int64_t>(piece.size())) {
    const int64_t size = std::min(static_cast<int64_t>(piece.size()), file.size() - at);
    RETURN_IF_ERROR(file.Read(at, size, piece.data()));
    XXH3_64bits_update(state.get(), piece.data(), static_cast<size_t>(size));
  }
  return Digits(XXH3_64bits_digest(state.get()));
}

std::string_view TensorBytes(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous() && tensor.is_cpu(), "expected a contiguous CPU tensor, got ",
              tensor.toString(), " of sizes ", tensor.sizes());
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

std::string ContentHash(const at::Tensor& tensor) { return ContentHash(TensorBytes(tensor.cpu())); }

}  // namespace deduce
