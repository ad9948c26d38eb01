// config.json of a Hugging Face folder as our ModelConfig. Families (model_type): llama, mistral,
// qwen2, qwen3, qwen3_moe, deepseek_v2, deepseek_v3.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "configs/model.pb.h"

namespace deduce {

// text: of config.json; path: for messages. Every field is either understood, known to leave the
// numbers alone, or an error: InvalidArgument, `PATH: FIELD: found VALUE, expected X`. What a file
// leaves out has the value that transformers gives it, or is an error where versions of
// transformers disagree. num_nextn_predict_layers is what the file says, whether or not the folder
// holds the module.
absl::StatusOr<ModelConfig> ReadHuggingFaceConfig(const std::string& text, const std::string& path);

}  // namespace deduce
