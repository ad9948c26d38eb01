// Bytes that a rank of a plan needs, by kind.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "configs/run.pb.h"
#include "parallel/layout.h"
#include "parallel/pipeline/plan.h"
#include "trainer/forecast/model_size.h"
#include "trainer/model/model_part.h"

namespace deduce {

struct RankBytes {
  double weights = 0;      // with zero_stage 3 shares of all, and the chunks gathered at once
  double gradients = 0;    // all sums that are alive at once; with zero_stage 2 or 3, without
                           // exact mode, a micro-batch's and this rank's share of the sum
  double optimizer = 0;    // this rank's share with zero_stage 1 to 3
  double activations = 0;  // at their peak over the plan
  double more_sums = 0;    // gradients: those of exact mode's tree, beside the first sum
  double total() const { return weights + gradients + optimizer + activations; }

  double whole_weights = 0;  // all chunks', were they here at once
};

// Elements of the weights of a stage on one of its ranks, and those that it owns.
struct StageWeights {
  double dense = 0, pieces = 0, experts = 0;
  double owned = 0;
  double all() const { return dense + pieces + experts; }
};
// copies: ranks of the pipeline that hold the stage.
StageWeights WeightsOf(const PartSize& size, const Layout& layout, double copies);

// Bytes that a token leaves in a part between its forward and its backward. `all`: an estimate from
// the shapes of what every operation reads again, not a measurement.
double ActivationBytes(const RunConfig& config, const ModelPart& part);

// Bytes of a token's keys and values in one layer, all heads: context ranks pass these round.
double KeyBytes(const RunConfig& config);

// Layers of a part that attention is in, the prediction module's among them.
int64_t AttentionLayers(const ModelConfig& config, const ModelPart& part);

// Bytes of a token in a part that go between tensor ranks: the inputs of attention and of dense
// feed-forward layers, which they gather, and keep for the gradients of their pieces; and the
// results of both, which they add up.
struct TensorAxisBytes {
  double attention = 0, dense = 0, summed = 0;
};
TensorAxisBytes TensorAxisBytesOf(const RunConfig& config, const ModelPart& part);

// For each rank of the pipeline. parts: the stages in order. With layout.recompute full a rank
// keeps the inputs of its stages, and all activations of one micro-batch of its larger chunk while
// that is computed again; with selective, those of attention are not counted for the one layer
// that is computed again. Of what is under way between ranks, the blocks of one layer's attention
// are counted where context ranks pass them on; other communication buffers, workspaces and
// fragmentation are not counted.
std::vector<RankBytes> MemoryOf(const RunConfig& config, const Layout& layout, const Plan& plan,
                                const std::vector<ModelPart>& parts, double micro_batch_tokens);

// InvalidArgument with the first rank that needs more than memory_gb, if that is given.
absl::Status CheckMemory(const std::vector<RankBytes>& ranks, const ClusterConfig& cluster);

}  // namespace deduce
