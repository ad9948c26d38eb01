// Proves a plan before any rank works, or says what is wrong with it.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "parallel/pipeline/plan.h"
#include "parallel/pipeline/progress.h"

namespace deduce {

struct ProofLimits {
  int channel_messages = 1;   // that a channel holds before its sender waits; at least 1
  int peak_activations = -1;  // micro-batches that a rank holds, counted by chunk; -1: any number
  int peak_receives = -1;     // that a rank has begun and not waited for; -1: any number
  std::vector<TransportKind> transports = {TransportKind::kChannels, TransportKind::kOrderedPeers};
};

// Checks, in this order, that
// - every action is one its rank can do, and is work on a stage that is there, alone or in a pair:
//   a forward, and a backward of another micro-batch or chunk;
// - each stage of each micro-batch has one forward, and one backward or one of each gradient;
// - each weight gradient enters one reduction, over all ranks with its stage, before one update;
// - weight gradients of a chunk come in the order of micro-batches;
// - where weights are sharded, the one rank of the pipeline that has a chunk's weights gathers them
//   once before work that reads them, and releases them before their update and the end; where they
//   are not, nobody gathers;
// - nothing is used before it is there or after it was given back; every receive was begun in an
//   exchange, and its tensor is used;
// - what one rank sends on a channel is what the other receives, in the same order;
// - all ranks come to their ends on each of the transports (see progress.h), when channels are as
//   small as `limits` says;
// - no rank holds more activations, or has more receives under way, than `limits` says.
// InvalidArgument names the first rank and action that breaks the first of these that is broken.
absl::Status Prove(const Plan& plan, const ProofLimits& limits);

}  // namespace deduce
