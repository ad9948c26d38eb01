// Packing: whole sequences laid end to end into rows of bounded length, without padding and without
// cutting any.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "data/records/batch.h"
#include "data/records/streams.h"

namespace deduce {

// Best-fit decreasing: the longest sequence first, each into the fullest bin that still has room
// (the oldest on a tie). Returns bins of indices into `lengths`, every index once; bins in the
// order they were opened, indices in the order they were put. At most 11/9 of the best number of
// bins plus one (Johnson 1974). A length outside [1, capacity] is a TORCH_CHECK.
std::vector<std::vector<int64_t>> PackBestFit(const std::vector<int64_t>& lengths,
                                              int64_t capacity);

// As many bins as PackBestFit needs, filled evenly, for ranks that work through one bin each wait
// for the fullest: the longest sequence first, each into the emptiest bin (the first on a tie).
// Where that would overfill a bin, the bins of PackBestFit. Returns, and refuses, what PackBestFit
// does.
std::vector<std::vector<int64_t>> PackEvenly(const std::vector<int64_t>& lengths, int64_t capacity);

// One sequence to be packed.
struct PackItem {
  std::vector<int32_t> tokens;  // at least 2
  int64_t prompt_length = 1;    // tokens before the completion; 1 <= prompt_length < tokens.size()
  int64_t sample_id = 0;        // index in the step's batch
  // Of each column: a value for every prediction (tokens.size() - 1, where value i belongs to the
  // prediction of tokens[i + 1]), or one for every token of the completion, or one for all of
  // these. The items of a batch have the same columns, the weight among them.
  std::map<Column, std::vector<float>> columns = {};
};

// Weight 1 for every prediction, or (completion_only) for those of learned tokens, 0 for the rest.
std::vector<float> LossWeights(const TokenSample& sample, bool completion_only);

// Lays the items end to end in the order given. Positions restart at every sequence. Values of a
// completion stand at the predictions of its tokens; elsewhere the column is 0. Items that do not
// fit together, or numbers of values that do not fit their tokens, throw c10::Error.
PackedBatch MakePackedBatch(const std::vector<PackItem>& items);

}  // namespace deduce
