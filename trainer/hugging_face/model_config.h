// config.json of a Hugging Face folder as our ModelConfig. Families (model_type): llama, mistral,
// qwen2, qwen3, qwen3_moe, deepseek_v2, deepseek_v3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "configs/model.pb.h"

namespace deduce {

// text: of config.json; path: for messages. Every field is either understood, known to leave the
// numbers alone (settings of generation, bookkeeping, neutral values), or an error:
// InvalidArgument, `PATH: FIELD: found VALUE, expected X`. What a file leaves out has the value
// that transformers gives it, or is an error where versions of transformers disagree.
// num_nextn_predict_layers is what the file says, whether or not the folder holds the module.
// longest: positions that the model is used with, if fewer than max_position_embeddings; a window
// of attention that is as long is none.
absl::StatusOr<ModelConfig> ReadHuggingFaceConfig(const std::string& text, const std::string& path,
                                                  std::optional<int64_t> longest = std::nullopt);

}  // namespace deduce
