// The part of a micro-batch that one rank trains on, where a group of ranks shares its tokens.
#pragma once

#include <memory>

#include "data/records/batch.h"
#include "parallel/layout.h"
#include "parallel/sequence/token_split.h"
#include "trainer/model/transformer.h"

namespace deduce {

struct MicroBatchPart {
  PackedBatch batch;                        // with the tokens of the share; sequences may have none
  std::unique_ptr<const TokenShare> share;  // null: all tokens
  PackedBatch ahead;  // OneTokenAhead of the same tokens; unless asked for, no
                      // tokens
};

// The part of this rank of the layout. with_ahead: the prediction module's targets too.
MicroBatchPart SplitForRank(const PackedBatch& micro_batch, const Layout& layout, bool with_ahead);

// Moves a batch of the host to the model's device. Numbers that a device would take for addresses
// are checked first, on the host, where nothing has to wait: c10::Error for tokens and targets
// outside the vocabulary and positions beyond the model's.
PackedBatch OnDeviceOf(const Transformer& model, const PackedBatch& batch);

}  // namespace deduce
