// Our ModelConfig as the config.json of the family that computes the same.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "configs/model.pb.h"

namespace deduce {

// For a model that did not come from a folder; ReadHuggingFaceConfig reads the same model back.
// InvalidArgument, naming the field, for a model that no family computes.
absl::StatusOr<std::string> WriteHuggingFaceConfig(const ModelConfig& model);

}  // namespace deduce
