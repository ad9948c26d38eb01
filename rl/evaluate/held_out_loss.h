// The loss on samples that are not trained on.
#pragma once

#include <cstdint>
#include <vector>

#include "data/records/sample_encoder.h"
#include "trainer/step/rank_model.h"

namespace deduce {

// Collective over the world. Mean negative log-probability, in nats, of the learned tokens of all
// samples together, or (unless completion_only) of all their tokens. Each sample has at most
// micro_batch_tokens tokens. The same samples on every rank, and the same result: terms are added
// in the order of samples and positions, in double, whichever ranks and micro-batches they came
// from.
double HeldOutLoss(RankModel& model, const std::vector<TokenSample>& samples,
                   int64_t micro_batch_tokens, bool completion_only);

}  // namespace deduce
