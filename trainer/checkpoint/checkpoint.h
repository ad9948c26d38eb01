// Checkpoints: logical tensors, stored as slices by whichever ranks hold them, published by one
// rename. What is read back does not depend on who wrote which slice, so any number of ranks reads
// any other's.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "parallel/communicator/communicator.h"
#include "trainer/checkpoint/element_range.h"

namespace deduce {

// A range of a logical tensor's elements, in row-major order; with columns, of the matrix that
// these columns of it are.
struct TensorSlice {
  std::string name;
  std::vector<int64_t> shape;  // of the whole logical tensor
  int64_t begin = 0;           // elements
  at::Tensor data;             // [n], contiguous, anywhere; any safetensors type; n may be 0
  std::optional<ColumnRange> columns = std::nullopt;

  ElementRange range() const { return {begin, begin + data.numel(), columns}; }
};

// Collective. Writes `dir` from the slices of all ranks: each element of each logical tensor must
// be given exactly once, by whichever rank. state_json (a JSON object) and extra_files (file name
// -> contents) are rank 0's. Everything goes to `dir`.partial first (one left behind by a killed
// run is replaced), is synced, and then renamed. On failure the partial folder is removed and all
// ranks return the same Status; other checkpoints are never touched. AlreadyExists if `dir` does.
absl::Status SaveCheckpoint(Communicator& world, const std::string& dir,
                            const std::vector<TensorSlice>& slices, const std::string& state_json,
                            const std::map<std::string, std::string>& extra_files);

}  // namespace deduce
