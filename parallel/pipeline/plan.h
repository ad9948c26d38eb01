// The actions of each rank in one training step, transfers and reductions included. A plan is
// made from a schedule by parallel/pipeline/make_plan, proved by parallel/pipeline/prove, timed by
// parallel/pipeline/simulate, carried out by one executor.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

enum class PlanOp : uint8_t {
  kForward,  // the four kinds of Work, in its order
  kBackward,
  kInputGradient,
  kWeightGradient,
  kForwardAndBackward,  // at once: `parts` are the forward, of which chunk and micro-batch are, and
                        // a backward
  kSendActivation,      // this chunk's output, to the next stage; in an exchange
  kReceiveActivation,   // this chunk's input: begun in an exchange, waited for outside
  kSendGradient,        // its input's gradient, to the stage before; in an exchange
  kReceiveGradient,     // its output's gradient: begun in an exchange, waited for outside
  kExchange,            // `parts` are sends and receives that begin together; waits for nothing
  kReduce,              // this chunk's weight gradients, over `group`
  kUpdate,              // this chunk's weights
  kGatherWeights,       // this chunk's, whole, from all ranks that have a share of them
  kReleaseWeights,      // this chunk's, of which a share stays
};

struct PlanAction {
  PlanOp op = PlanOp::kForward;
  int chunk = 0;
  int micro_batch = -1;                // work and transfers have one
  int peer = -1;                       // the other rank of a transfer
  std::vector<int> group = {};         // kReduce: pipeline ranks with this stage, ascending
  std::vector<PlanAction> parts = {};  // kForwardAndBackward and kExchange have some
  bool operator==(const PlanAction&) const = default;
};

// "F0.3", "F0.3&B1.2", "receive gradient 0.3 from 2", "exchange {send activation 0.3 to 2, receive
// gradient 0.1 from 2}", "reduce 1 over 0 3", "update 1".
std::string ActionText(const PlanAction& action);

// The work of a schedule's step; a pair has its forward first.
PlanAction ActionOf(const Step& step);

bool IsSend(PlanOp op);
bool IsReceive(PlanOp op);

// The forwards and gradients that an action computes: one, the two of a pair, or none.
absl::Span<const PlanAction> WorksOf(const PlanAction& action);

// Messages of one direction and kind for one stage: they keep their order at both ends.
struct Channel {
  int from = 0, to = 0;
  bool gradient = false;
  int stage = 0;  // that the message is for
  auto operator<=>(const Channel&) const = default;
};

struct Plan {
  Schedule schedule;  // its paths say where stages are; its steps are what the plan was made from
  std::vector<std::vector<PlanAction>> ranks;
  bool shards_weights = false;  // between its uses a chunk's weights are not whole
};

// Ranks that hold a stage, ascending: the pipeline's part of the group that its gradients are
// summed over.
std::vector<int> HoldersOf(const Schedule& schedule, int stage);

// The stage that an action of a rank works on or for, or -1.
int StageOf(const Schedule& schedule, int rank, const PlanAction& action);

// The channel of a send or a receive of `rank`.
Channel ChannelOf(const Schedule& schedule, int rank, const PlanAction& transfer);

// Whether weights are read by it. Weight gradients are products of other things.
bool ReadsWeights(PlanOp op);

}  // namespace deduce
