// Parameters and floating-point operations of a model, from its config alone.
#pragma once

#include <cstdint>

#include "configs/model.pb.h"
#include "trainer/model/model_part.h"

namespace deduce {

// Parameters of a part, as Transformer has them; selection biases of routing are not among them.
struct PartSize {
  int64_t embedding = 0;  // also where the last part has it for a tied head or the module
  int64_t head = 0;       // lm_head; 0 when tied
  int64_t experts = 0;    // all routed experts, on all ranks that they are split over
  int64_t dense = 0;      // all other matrices
  int64_t vectors = 0;    // norms and biases
  int64_t split = 0;      // the part of dense and vectors that the tensor axis splits
  int64_t total() const { return embedding + head + experts + dense + vectors; }
};
PartSize SizeOfPart(const ModelConfig& config, const ModelPart& part);

// Parameters of the model without its prediction module, as sizes of models are quoted.
int64_t NumMainParameters(const ModelConfig& config);

// Those parameters that are elements of matrices which a token is multiplied with: its own experts
// alone, the head once, no input embedding.
int64_t NumActiveParameters(const ModelConfig& config);

// Floating-point operations of one token's forward through a part, the prediction module included
// with its own pass through the head. A product with a matrix is two for each of its elements.
struct PartFlops {
  double products = 0;            // with weights
  double attention = 0;           // queries with keys, and probabilities with values
  double attention_products = 0;  // those of `products` that are with attention's weights
};

// sequence_length: tokens; a token attends to half as many on average.
PartFlops ForwardFlops(const ModelConfig& config, const ModelPart& part, double sequence_length);

// Forward and backward of one token by the convention that throughputs are quoted in: 6 for each
// active parameter and three times the causal attention; no prediction module, nothing computed
// again.
double TrainingFlops(const ModelConfig& config, double sequence_length);

}  // namespace deduce
