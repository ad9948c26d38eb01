// The safetensors files of a Hugging Face folder: one, or several under an index.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/checkpoint/safetensors.h"

namespace deduce {

class WeightFiles {
 public:
  struct Tensor {
    std::string path;  // its file's, for messages
    at::ScalarType dtype = at::kFloat;
    std::vector<int64_t> shape;
    int64_t size = 0;   // bytes
    int64_t begin = 0;  // where the first lies in the file
    std::shared_ptr<const ReadableFile> file;

    // Fills `out` with bytes from `offset` on. DataLoss, one line that names the file, where the
    // file ends: it may have been cut since it was opened.
    absl::Status Read(int64_t offset, std::span<char> out) const;
  };

  // Whether the folder has one of the files that Open begins with.
  static bool AreIn(const std::string& dir);

  // Opens model.safetensors, or the files that model.safetensors.index.json names, and checks all
  // headers. Errors: NotFound for a missing file; DataLoss, one line that names the file and the
  // tensor, for a damaged one, and for an index that does not say of each tensor of its files where
  // it is.
  static absl::StatusOr<WeightFiles> Open(const std::string& dir);

  // By name.
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  // Null if there is none.
  const Tensor* Find(const std::string& name) const;

 private:
  absl::Status Add(const std::string& path);

  std::map<std::string, Tensor> tensors_;
};

}  // namespace deduce
