// A model's weights as a Hugging Face folder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "configs/model.pb.h"
#include "trainer/checkpoint/checkpoint.h"

namespace deduce {

struct ExportRequest {
  std::string out;  // the folder to make; it must not exist
  ModelConfig model;
  std::vector<TensorSlice> tensors;  // all of the model, whole, fp32
  // HuggingFaceFolder::KeptFiles of the folder that the model came from, or any of them: without
  // config.json one is made from `model`, without kSourceDtypes all tensors are written as F32.
  std::map<std::string, std::string> files;
  // The type of all tensors but selection biases of routing, which stay as they are: they are
  // compared, not multiplied. Unset: as above. config.json says it.
  std::optional<at::ScalarType> dtype = std::nullopt;
  int64_t max_shard_bytes = 0;  // limit for the tensors of one file, unless one has more; > 0
};

// Writes model.safetensors, or its shards and their index, and the files, into OUT.partial, and
// renames it. Errors: AlreadyExists; InvalidArgument for a model that no family computes; those of
// the file system.
absl::Status ExportHuggingFace(const ExportRequest& request);

}  // namespace deduce
