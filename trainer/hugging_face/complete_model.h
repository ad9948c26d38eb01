// A run whose model is that of a Hugging Face folder.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "configs/run.pb.h"

namespace deduce {

// The positions that a run uses of its folder's model, if its config says.
std::optional<int64_t> LongestUse(const ModelConfig& model);

// If config.model.hugging_face names a folder: completes config.model from its config.json, and
// config.tokenizer with its tokenizer.json unless there is one. Fields given in the config must
// agree with the folder, but for max_position_embeddings (which may be less), compute,
// initializer_range and what only training uses (moe.bias_update_speed, moe.balance_loss_alpha).
// Errors carry their exit code: 2 for a config that does not agree, naming the field, 3 for the
// folder. weights: whether the folder's are needed; without, a config.json is enough.
absl::Status CompleteFromHuggingFace(RunConfig& config, bool weights = true);

}  // namespace deduce
