// The safetensors files of a Hugging Face folder: one, or several under an index.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/checkpoint/mapped_file.h"
#include "trainer/checkpoint/safetensors.h"

namespace deduce {

class WeightFiles {
 public:
  struct Tensor {
    std::string path;  // its file's, for messages
    at::ScalarType dtype = at::kFloat;
    std::vector<int64_t> shape;
    std::string_view bytes;  // mapped: read from the disk when touched
  };

  // Opens model.safetensors, or the files that model.safetensors.index.json names, and checks all
  // headers. Errors: NotFound for a missing file; DataLoss, one line that names the file and the
  // tensor, for a damaged one, and for an index that does not say of each tensor of its files where
  // it is.
  static absl::StatusOr<WeightFiles> Open(const std::string& dir);

  // By name; bytes live as long as this object.
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  // Null if there is none.
  const Tensor* Find(const std::string& name) const;

 private:
  absl::Status Add(const std::string& path);

  std::vector<MappedFile> files_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace deduce
