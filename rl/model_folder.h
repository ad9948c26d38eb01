// A trained model as the commands use it: weights, configuration and tokenizer of one folder.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "configs/config.pb.h"
#include "data/tokenizer.h"
#include "parallel/communicator.h"
#include "trainer/model/transformer.h"

namespace deduce {

struct ModelFolder {
  RunConfig config;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<Communicator> experts;  // one member; outlives the model
  std::unique_ptr<Transformer> model;
};

// Reads a checkpoint folder (manifest.json, config.textproto, tokenizer.json, weights of any
// layout) on one rank. Errors end with exit code 3 and name the file or tensor.
absl::StatusOr<ModelFolder> LoadModelFolder(const std::string& dir);

}  // namespace deduce
