#include "parallel/simulate.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace deduce {
namespace {

double CostOf(Work work, const StageCosts& costs) {
  switch (work) {
    case Work::kForward:
      return costs.forward;
    case Work::kBackward:
      return costs.backward;
    case Work::kInputGradient:
      return costs.input_gradient;
    case Work::kWeightGradient:
      return costs.weight_gradient;
  }
  TORCH_CHECK(false, "Simulate: found work ", static_cast<int>(work), ", expected 0 to 3");
}

double CostOf(const Schedule& schedule, int rank, const Step& step, const ScheduleCosts& costs) {
  if (costs.stages.empty()) {
    if (step.second) return costs.overlapped;
    return CostOf(step.first.work, StageCosts{costs.forward, costs.backward, costs.input_gradient,
                                              costs.weight_gradient});
  }
  const int first = StageOf(schedule, rank, step.first);
  if (!step.second) return CostOf(step.first.work, costs.stages.at(first));
  const int second = StageOf(schedule, rank, *step.second);
  const bool in_order = step.first.work == Work::kForward;
  return costs.overlapped_stages.at(in_order ? first : second).at(in_order ? second : first);
}

class Simulation {
 public:
  Simulation(const Schedule& schedule, const ScheduleCosts& costs)
      : schedule_(schedule),
        costs_(costs),
        free_(schedule.num_ranks(), 0),
        next_(schedule.num_ranks(), 0) {
    timeline_.ranks.resize(schedule.num_ranks());
  }

  Timeline Run() {
    bool moved = true;
    while (moved) {
      moved = false;
      for (int rank = 0; rank < schedule_.num_ranks(); ++rank) {
        while (Advance(rank)) moved = true;
      }
    }
    CheckFinished();
    timeline_.makespan = *std::max_element(free_.begin(), free_.end());
    for (const std::vector<TimedStep>& steps : timeline_.ranks) {
      double work = 0;
      for (const TimedStep& timed : steps) work += timed.end - timed.begin;
      timeline_.bubble.push_back(timeline_.makespan - work);
    }
    return std::move(timeline_);
  }

 private:
  // When the input of an action is there; -1: not yet.
  double Arrival(int rank, const Action& action) const {
    const int stage = StageOf(schedule_, rank, action);
    TORCH_CHECK(stage >= 0, "Simulate: found ", StepsText({{action}}), " on rank ", rank,
                ", where that micro-batch never comes");
    double arrival = 0;
    const auto needs = [&](const std::map<std::pair<int, int>, double>& done, int at,
                           double transfer) {
      const auto found = done.find({at, action.micro_batch});
      arrival =
          found == done.end() || arrival < 0 ? -1 : std::max(arrival, found->second + transfer);
    };
    if (action.work == Work::kForward) {
      if (stage > 0) needs(forward_done_, stage - 1, costs_.transfer);
    } else if (action.work == Work::kWeightGradient) {
      needs(input_done_, stage, 0);
    } else {
      needs(forward_done_, stage, 0);
      if (stage + 1 < schedule_.num_stages()) needs(input_done_, stage + 1, costs_.transfer);
    }
    return arrival;
  }

  bool Advance(int rank) {
    const std::vector<Step>& steps = schedule_.ranks[rank];
    if (next_[rank] == steps.size()) return false;
    const Step& step = steps[next_[rank]];
    double begin = free_[rank];
    for (const Action* action : {&step.first, step.second ? &*step.second : nullptr}) {
      if (action == nullptr) continue;
      const double arrival = Arrival(rank, *action);
      if (arrival < 0) return false;
      begin = std::max(begin, arrival);
    }
    const double end = begin + CostOf(schedule_, rank, step, costs_);
    timeline_.ranks[rank].push_back({step, begin, end});
    for (const Action* action : {&step.first, step.second ? &*step.second : nullptr}) {
      if (action == nullptr || action->work == Work::kWeightGradient) continue;
      auto& done = action->work == Work::kForward ? forward_done_ : input_done_;
      done[{StageOf(schedule_, rank, *action), action->micro_batch}] = end;
    }
    free_[rank] = end;
    ++next_[rank];
    return true;
  }

  void CheckFinished() const {
    std::string waiting;
    for (int rank = 0; rank < schedule_.num_ranks(); ++rank) {
      const std::vector<Step>& steps = schedule_.ranks[rank];
      if (next_[rank] == steps.size()) continue;
      waiting += " rank " + std::to_string(rank) + " at " + StepsText({steps[next_[rank]]}) + ";";
    }
    TORCH_CHECK(waiting.empty(), "Simulate: ", schedule_.name, " cannot go on:", waiting);
  }

  const Schedule& schedule_;
  const ScheduleCosts& costs_;
  std::vector<double> free_;
  std::vector<size_t> next_;
  std::map<std::pair<int, int>, double> forward_done_, input_done_;  // (stage, micro-batch) -> end
  Timeline timeline_;
};

}  // namespace

Timeline Simulate(const Schedule& schedule, const ScheduleCosts& costs) {
  return Simulation(schedule, costs).Run();
}

WorkTimes TimesByKind(const std::vector<TimedStep>& steps) {
  WorkTimes times;
  for (const TimedStep& timed : steps) {
    double& kind = timed.step.second                                ? times.overlapped
                   : timed.step.first.work == Work::kForward        ? times.forward
                   : timed.step.first.work == Work::kWeightGradient ? times.weight_gradient
                                                                    : times.backward;
    kind += timed.end - timed.begin;
  }
  return times;
}

}  // namespace deduce
