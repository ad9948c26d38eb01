#include "trainer/model/model_part.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace deduce {

ModelPart WholeModel(const ModelConfig& config) {
  return {.num_layers = config.num_hidden_layers()};
}

absl::StatusOr<std::vector<ModelPart>> SplitModel(const ModelConfig& config, int num_stages,
                                                  const std::vector<int64_t>& stage_layers) {
  const int64_t layers = config.num_hidden_layers();
  std::vector<int64_t> numbers = stage_layers;
  if (numbers.empty()) {
    if (layers < num_stages) {
      return absl::InvalidArgumentError(
          absl::StrCat("layout.pipeline_parallel: found ", num_stages,
                       " pipeline stages, expected at most model.num_hidden_layers (", layers,
                       "), or layout.stage_layers"));
    }
    for (int stage = 0; stage < num_stages; ++stage)
      numbers.push_back(layers / num_stages + (stage < layers % num_stages ? 1 : 0));
  }
  if (static_cast<int>(numbers.size()) != num_stages) {
    return absl::InvalidArgumentError(absl::StrCat("layout.stage_layers: found ", numbers.size(),
                                                   " numbers, expected one for each of the ",
                                                   num_stages, " pipeline stages"));
  }
  std::vector<ModelPart> parts;
  int64_t next_layer = 0;
  for (int stage = 0; stage < num_stages; ++stage) {
    const bool first = stage == 0, last = stage == num_stages - 1;
    const int64_t least = first || last ? 0 : 1;
    if (numbers[stage] < least) {
      return absl::InvalidArgumentError(absl::StrCat("layout.stage_layers[", stage, "]: found ",
                                                     numbers[stage], ", expected at least ",
                                                     least));
    }
    parts.push_back({next_layer, numbers[stage], first, last});
    next_layer += numbers[stage];
  }
  if (next_layer != layers) {
    return absl::InvalidArgumentError(
        absl::StrCat("layout.stage_layers: found a sum of ", next_layer,
                     ", expected model.num_hidden_layers (", layers, ")"));
  }
  return parts;
}

bool SharesEmbedding(const ModelConfig& config) {
  return config.tie_word_embeddings() || config.num_nextn_predict_layers() > 0;
}

int64_t NumRoutedLayers(const ModelConfig& config) {
  if (!config.has_moe()) return 0;
  const int64_t module_layers = config.num_nextn_predict_layers() > 0 ? 1 : 0;
  return NumRoutedLayersBefore(config, {.first_layer = config.num_hidden_layers()}) + module_layers;
}

int64_t NumRoutedLayersBefore(const ModelConfig& config, const ModelPart& part) {
  if (!config.has_moe()) return 0;
  return std::max<int64_t>(0, part.first_layer - config.moe().first_k_dense_replace());
}

}  // namespace deduce
