// What each rank does in one training step, action by action, transfers and reductions included:
// made from a schedule, proved by parallel/pipeline/prove, timed by parallel/pipeline/simulate,
// carried out by one executor.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "parallel/pipeline/schedule/schedule.h"

namespace deduce {

enum class PlanOp : uint8_t {
  kForward,  // the four kinds of Work, in its order
  kBackward,
  kInputGradient,
  kWeightGradient,
  kSendActivation,     // of this chunk's output, to the next stage
  kReceiveActivation,  // this chunk's input
  kSendGradient,       // of this chunk's input, to the stage before
  kReceiveGradient,    // of this chunk's output
  kReduce,             // this chunk's weight gradients, over `group`
  kUpdate,             // this chunk's weights
  kGatherWeights,      // this chunk's, whole, from all ranks that have a share of them
  kReleaseWeights,     // this chunk's, of which a share stays
};

struct PlanAction {
  PlanOp op = PlanOp::kForward;
  int chunk = 0;
  int micro_batch = -1;         // of work and transfers
  int peer = -1;                // of transfers: the other rank
  std::vector<int> group = {};  // of kReduce: pipeline ranks with this stage, ascending
  auto operator<=>(const PlanAction&) const = default;
};

// "F0.3", "send activation 0.3 to 2", "reduce 1 over 0 3", "update 1".
std::string ActionText(const PlanAction& action);

// Transfers in the same order at both ends: one channel for each direction and kind, so that a
// transport without tags can carry them.
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

// The schedule with a receive before what needs it, a send after what makes it (none between two
// chunks of one rank), and, after a chunk's last weight gradient, its reduction; updates come last.
Plan MakePlan(Schedule schedule);

// Whether weights are read by it. Weight gradients are products of other things.
bool ReadsWeights(PlanOp op);

// The plan with weights that are gathered before a chunk's work and released after it (ZeRO-3,
// Rajbhandari et al. 2020): at once for all that a rank does in a chunk before it turns to another.
// Of a plan without it, which may be a part of one.
Plan WithShardedWeights(Plan plan);

// Its forwards and the transfers between them: a plan that computes and trains nothing.
Plan ForwardPart(Plan plan);

}  // namespace deduce
