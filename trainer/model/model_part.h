// Which layers of a model a pipeline stage holds.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/model.pb.h"

namespace deduce {

// A run of layers; the embedding comes before the first one of all, and the final norm, the head
// and the prediction module after the last.
struct ModelPart {
  int64_t first_layer = 0;
  int64_t num_layers = 0;
  bool first = true;
  bool last = true;
};

ModelPart WholeModel(const ModelConfig& config);

// One part for each of num_stages, in order. stage_layers: the number of layers of each, or none
// for numbers that differ by one at most, larger ones first. InvalidArgument, naming the field of
// the config, when they do not add up to the model's, or a stage would have nothing to do.
absl::StatusOr<std::vector<ModelPart>> SplitModel(const ModelConfig& config, int num_stages,
                                                  const std::vector<int64_t>& stage_layers);

// Whether the last part needs the embedding too: for a tied head, or for the prediction module.
bool SharesEmbedding(const ModelConfig& config);

// Routed layers of the whole model, the prediction module's included, and those before a part.
int64_t NumRoutedLayers(const ModelConfig& config);
int64_t NumRoutedLayersBefore(const ModelConfig& config, const ModelPart& part);

}  // namespace deduce
