// The samples of a step. One rank makes each, and its tokens are sent to the ranks that train on
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "data/records/sample_encoder.h"
#include "trainer/step/rank_model.h"

namespace deduce {

// A TokenSample without its tokens.
struct SampleShape {
  int64_t num_tokens = 0;
  int64_t prompt_length = 0;
  // The number of learned tokens, the first token aside, and the first two aside, in a sample that
  // says which are learned. -1 in one that does not.
  int64_t num_learned = -1, num_learned_ahead = -1;
};

struct DealtSamples {
  std::vector<SampleShape> shapes;                  // of all samples of the step
  std::vector<std::vector<int64_t>> micro_batches;  // samples of each: PackEvenly of all lengths
  std::map<int64_t, TokenSample> own;  // by index: all of the micro-batches of this rank's replica
};

// Makes the sample of the step with this index.
using MakeSample = std::function<absl::StatusOr<TokenSample>(int64_t)>;

// Collective over the world. Rank r makes samples r, r + ranks, ... below num_samples. Shapes are
// gathered, so every rank knows the micro-batches, of at most micro_batch_tokens tokens each; then
// one all-to-all brings each rank the tokens of its replica's. Error: that of the lowest rank whose
// samples have one, on every rank.
absl::StatusOr<DealtSamples> DealSamples(RankModel& model, int64_t num_samples,
                                         int64_t micro_batch_tokens, const MakeSample& make);

}  // namespace deduce
