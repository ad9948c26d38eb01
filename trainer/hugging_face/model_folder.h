// A model as the commands use it: weights, configuration and tokenizer of one folder, which is a
// checkpoint or a Hugging Face folder.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/model.pb.h"
#include "data/text/tokenizer/tokenizer.h"
#include "parallel/communicator/communicator.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/step/rank_model.h"

namespace deduce {

struct ModelFolder {
  ModelConfig config;
  std::string compute;                  // what ResolveComputeType says of it
  std::unique_ptr<Communicator> world;  // one member; it and ranks outlive the model
  std::unique_ptr<RankGroups> ranks;
  std::unique_ptr<RankModel> model;
  std::vector<TensorSlice> tensors;  // the model's weights and biases, whole, by logical name
  std::map<std::string, std::string> files;  // what an export writes beside the weights, by name

  Transformer& transformer() const { return *model->chunks().front().model; }  // the whole
};

// Reads a checkpoint (manifest.json, config.textproto, weights of any layout) or a Hugging Face
// folder (config.json, safetensors) on one rank. `compute` takes the place of the checkpoint's own,
// and of a Hugging Face folder's fp32. Errors end with exit code 3 and name the file or tensor.
absl::StatusOr<ModelFolder> LoadModelFolder(const std::string& dir,
                                            std::optional<ModelConfig::Compute> compute = {});

// Only the tokenizer, of a checkpoint or of any folder with a tokenizer.json. Errors as above.
absl::StatusOr<Tokenizer> LoadFolderTokenizer(const std::string& dir);

// The same; a vocabulary that is larger than the model's is an error.
absl::StatusOr<Tokenizer> LoadFolderTokenizer(const std::string& dir, const ModelConfig& model);

}  // namespace deduce
