// The embedding where both ends of the model use it (a tied head, or the prediction module) and a
// pipeline puts them on different stages: one logical parameter, which the first stage updates.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "trainer/step/rank_model.h"

namespace deduce {

// Collective over the pipeline. Adds the last stage's gradient shard to the first stage's.
// shards[c]: of the groups of chunk c's store. Nothing to do where one chunk has both ends.
void AddSharedEmbedding(RankModel& model, const std::vector<std::vector<at::Tensor>*>& shards);

// Collective over the pipeline. The first stage's values become the last stage's.
void CopySharedEmbedding(RankModel& model);

}  // namespace deduce
