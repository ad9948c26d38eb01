// Records when a rank did each action of its plans: the measured timeline beside the simulated one.
#pragma once

#include <string>
#include <vector>

#include "parallel/communicator/communicator.h"
#include "parallel/pipeline/plan.h"

namespace deduce {

struct RecordedAction {
  PlanAction action;
  double begin = 0, end = 0;  // seconds since this host's steady clock began
};

// Where a rank's actions are drawn: its replica, its part of the replica's tokens, its place in the
// pipeline.
struct TraceLane {
  int replica = 0;
  int part = 0, num_parts = 1;
  int pipeline_rank = 0;
};

class ActionRecorder {
 public:
  // Notes that an action went on from construction to destruction; nothing without a recorder.
  class Scope {
   public:
    Scope(ActionRecorder* recorder, const PlanAction& action);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    ActionRecorder* recorder_;
    const PlanAction& action_;
    double begin_;
  };

  const std::vector<RecordedAction>& actions() const { return actions_; }

  // Collective over the world. Gives what was recorded since the last call to rank 0 as a Chrome
  // trace; others return "". A process (pid) for each replica, a lane (tid) for each rank of its
  // pipeline, an event for each action, named by ActionText, in microseconds from the first; its
  // category is the letter of its work, "FB" for a pair, "wait" for a receive, "send" for an
  // exchange, "reduce", "update", "gather" or "release". Hosts are laid side by side by their
  // system clocks.
  std::string TakeTrace(const TraceLane& place, Communicator& world, const std::string& name);

 private:
  std::vector<RecordedAction> actions_;
};

}  // namespace deduce
