// manifest.json: what a checkpoint consists of, where each element lies, and the hash of everything
// including itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/checkpoint/element_range.h"

namespace deduce {

struct SliceRecord {
  std::string file;   // in the checkpoint's folder
  std::string key;    // the tensor's name in that file
  int64_t begin = 0;  // elements of the logical tensor
  int64_t end = 0;
  std::string hash;                                   // ContentHash of the bytes
  std::optional<ColumnRange> columns = std::nullopt;  // then elements are of these columns

  ElementRange range() const { return {begin, end, columns}; }
};

struct TensorRecord {
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  // By columns, then by begin. Together every element once: those without columns are all of the
  // tensor, or the slices of each run of columns are all of that, and the runs all columns.
  std::vector<SliceRecord> slices;

  int64_t num_elements() const;
};

struct Manifest {
  int num_ranks = 1;  // that wrote it
  nlohmann::json state;
  std::map<std::string, TensorRecord> tensors;
  std::map<std::string, std::string> file_hashes;  // of the extra files
};

// Adds a slice of a tensor; an error if dtype or shape differ from those of its other slices. An
// empty slice only makes the tensor known.
absl::Status AddSlice(Manifest& manifest, const std::string& name, at::ScalarType dtype,
                      const std::vector<int64_t>& shape, const SliceRecord& slice);

// Sorts the slices; an error, starting with `where`, unless they cover each element of each tensor
// exactly once, as TensorRecord says.
absl::Status CheckCoverage(const std::string& where, Manifest& manifest);

// In the oldest version that has what is to be said, so that older programs read what they can.
std::string EncodeManifest(const Manifest& manifest);

// `path` is for messages. The fields of the state that a run goes on from have their types then.
// InvalidArgument if the text is that of another format or of a version
// that is not known; DataLoss if it is damaged.
absl::StatusOr<Manifest> ParseManifest(const std::string& path, const std::string& text);

}  // namespace deduce
