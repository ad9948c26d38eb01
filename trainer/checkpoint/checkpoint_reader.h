// Reading a published checkpoint: any range of any logical tensor, whoever wrote it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/checkpoint/element_range.h"

namespace deduce {

struct Manifest;

// A published checkpoint, open for reading by one rank. Errors: NotFound for a missing file,
// InvalidArgument for a folder of another format or a tensor it lacks, DataLoss for damage; each
// one line that starts with the file's path.
class CheckpointReader {
 public:
  static absl::StatusOr<CheckpointReader> Open(const std::string& dir);

  const std::string& dir() const { return dir_; }
  const Manifest& manifest() const { return *manifest_; }
  const nlohmann::json& state() const;

  // Names in order. dtype and shape: the tensor must be there (see Has).
  std::vector<std::string> names() const;
  bool Has(const std::string& name) const;
  at::ScalarType dtype(const std::string& name) const;
  const std::vector<int64_t>& shape(const std::string& name) const;

  // Fills out_flat (contiguous, CPU, the tensor's dtype) with the elements [begin, begin +
  // out_flat.numel()) of the logical tensor, or of the matrix that `columns` of it are, from
  // whatever slices hold them, checking the hash of each slice it touches.
  absl::Status Read(const std::string& name, int64_t begin, at::Tensor& out_flat,
                    std::optional<ColumnRange> columns = std::nullopt) const;

  // The contents of an extra file, its hash checked.
  absl::StatusOr<std::string> ReadExtraFile(const std::string& file_name) const;

  // Reads everything and checks every hash.
  absl::Status VerifyAll() const;

 private:
  class Shards;
  std::string dir_;
  std::shared_ptr<const Manifest> manifest_;
  std::shared_ptr<const Shards> shards_;
};

}  // namespace deduce
