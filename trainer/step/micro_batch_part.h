// What of a micro-batch one rank trains on, where a group of ranks shares its tokens.
#pragma once

#include <memory>

#include "data/records/batch.h"
#include "parallel/layout.h"
#include "parallel/sequence/token_split.h"

namespace deduce {

// The prediction module's targets: position i of a sequence predicts token i + 2, which is the next
// position's target.
struct MtpTargets {
  at::Tensor targets_x, weights_x;
};
MtpTargets ShiftTargets(const PackedBatch& batch);

struct MicroBatchPart {
  PackedBatch batch;                        // with the tokens of the share; sequences may have none
  std::unique_ptr<const TokenShare> share;  // null: all tokens
  MtpTargets mtp;                           // of the batch's tokens; undefined unless asked for
};

// The part of this rank of the layout. with_mtp: the prediction module's targets too.
MicroBatchPart SplitForRank(const PackedBatch& micro_batch, const Layout& layout, bool with_mtp);

// A batch of no tokens.
PackedBatch EmptyBatch();

}  // namespace deduce
