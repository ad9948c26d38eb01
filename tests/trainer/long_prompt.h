// A packed sequence most of which is a prompt.
#pragma once

#include "data/records/packing.h"

namespace deduce {

// A sequence of which only the last two predictions count; the others have the weight given.
inline PackedBatch LongPrompt(float prompt_weight) {
  PackItem item{.tokens = {1, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
  std::vector<float>& weights = item.columns[Column::kWeight];
  weights.assign(9, prompt_weight);
  weights[7] = weights[8] = 1;
  return MakePackedBatch({item});
}

}  // namespace deduce
