// Files of the safetensors format: an 8-byte little-endian header length, a JSON header, then the
// tensors' raw bytes.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {

// "F32" and so on. Supported: F64, F32, BF16, F16, F8_E4M3, I64, I32, U8; the second form is an
// InvalidArgument that starts with `where`.
std::string SafetensorsDtype(at::ScalarType dtype);
absl::StatusOr<at::ScalarType> ParseSafetensorsDtype(const std::string& where,
                                                     const std::string& name);

// One line naming the dimensions, as "[2, 3]".
std::string ShapeText(const std::vector<int64_t>& shape);

struct NamedTensor {
  std::string name;
  at::Tensor data;  // CPU, contiguous, a supported type, any shape
};

// Writes and syncs a file (replacing one of this name), tensor after tensor in the given order,
// without a copy. The header is padded so that the data begin at a multiple of 8. Errors of the
// file system come back with the path.
absl::Status WriteSafetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                              const std::map<std::string, std::string>& metadata = {});

// An open file whose header has been checked: lengths, offsets, overlaps, dtypes, shapes and names.
// Reads use pread, so one object may serve several threads.
class SafetensorsFile {
 public:
  struct Entry {
    at::ScalarType dtype;
    std::vector<int64_t> shape;
    int64_t begin = 0;  // bytes, from the start of the file
    int64_t end = 0;
  };

  // NotFound if there is no such file; `PATH: found X, expected Y` for anything wrong in it
  // (InvalidArgument for an unsupported dtype, else DataLoss).
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const std::string& path() const { return file_->path(); }
  const std::shared_ptr<const ReadableFile>& file() const { return file_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The whole tensor in its shape. NotFound (with the path) if there is none of that name.
  absl::StatusOr<at::Tensor> Read(const std::string& name) const;

 private:
  std::shared_ptr<const ReadableFile> file_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace deduce
