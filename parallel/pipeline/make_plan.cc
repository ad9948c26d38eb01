#include "parallel/pipeline/make_plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "parallel/pipeline/exchange_order.h"

namespace deduce {
namespace {

// Adds one rank's actions in the order of its steps, with each transfer by itself where its rank
// needs it or has it.
class RankPlan {
 public:
  RankPlan(const Schedule& schedule, int rank, std::vector<PlanAction>& actions)
      : schedule_(schedule), rank_(rank), actions_(actions) {}

  void Add(const Step& step) {
    Receive(step.first);
    if (step.second) Receive(*step.second);
    actions_.push_back(ActionOf(step));
    Send(step.first);
    if (step.second) Send(*step.second);
  }

  // Reductions in the order of stages, so that two ranks with the same two stages do not wait for
  // each other.
  void Finish() {
    std::map<int, int> chunk_of;  // by stage
    for (int chunk = 0; chunk < schedule_.num_chunks; ++chunk) {
      if (const std::optional<int> stage = StageOfChunk(chunk)) chunk_of[*stage] = chunk;
    }
    for (const auto& [stage, chunk] : chunk_of) {
      actions_.push_back(
          {.op = PlanOp::kReduce, .chunk = chunk, .group = HoldersOf(schedule_, stage)});
    }
    for (const auto& [stage, chunk] : chunk_of)
      actions_.push_back({.op = PlanOp::kUpdate, .chunk = chunk});
  }

 private:
  const std::vector<Place>& PathOf(const Action& action) const {
    return schedule_.paths[schedule_.path_of[action.micro_batch]];
  }

  std::optional<int> StageOfChunk(int chunk) const {
    for (const std::vector<Place>& path : schedule_.paths) {
      const auto found = std::find(path.begin(), path.end(), Place{rank_, chunk});
      if (found != path.end()) return static_cast<int>(found - path.begin());
    }
    return std::nullopt;
  }

  // A transfer with the stage `step` further on the micro-batch's path, if that is another rank's.
  void Transfer(PlanOp op, const Action& action, int step) {
    const std::vector<Place>& path = PathOf(action);
    const int other = StageOf(schedule_, rank_, action) + step;
    if (other < 0 || other >= static_cast<int>(path.size()) || path[other].rank == rank_) return;
    actions_.push_back({op, action.chunk, action.micro_batch, path[other].rank});
  }

  void Receive(const Action& action) {
    if (action.work == deduce::Work::kForward) {
      Transfer(PlanOp::kReceiveActivation, action, -1);
    } else if (action.work != deduce::Work::kWeightGradient) {
      Transfer(PlanOp::kReceiveGradient, action, 1);
    }
  }

  void Send(const Action& action) {
    if (action.work == deduce::Work::kForward) {
      Transfer(PlanOp::kSendActivation, action, 1);
    } else if (action.work != deduce::Work::kWeightGradient) {
      Transfer(PlanOp::kSendGradient, action, -1);
    }
  }

  const Schedule& schedule_;
  int rank_;
  std::vector<PlanAction>& actions_;
};

// Puts gathers and releases between one rank's actions.
std::vector<PlanAction> WithGathers(std::vector<PlanAction> actions) {
  std::vector<PlanAction> whole;
  std::map<int, size_t> here;  // chunks whose weights are, and where they could be released
  // From the back, so that places stay right.
  const auto release_all_but = [&](const std::set<int>& kept) {
    std::vector<std::pair<size_t, int>> releases;
    for (const auto& [chunk, at] : here) {
      if (kept.count(chunk) == 0) releases.emplace_back(at, chunk);
    }
    std::sort(releases.rbegin(), releases.rend());
    for (const auto& [at, chunk] : releases) {
      whole.insert(whole.begin() + static_cast<std::ptrdiff_t>(at),
                   {.op = PlanOp::kReleaseWeights, .chunk = chunk});
      here.erase(chunk);
    }
  };
  for (PlanAction& action : actions) {
    std::set<int> read;
    for (const PlanAction& work : WorksOf(action)) {
      if (ReadsWeights(work.op)) read.insert(work.chunk);
    }
    if (!read.empty()) release_all_but(read);
    for (const int chunk : read) {
      if (here.count(chunk) == 0) whole.push_back({.op = PlanOp::kGatherWeights, .chunk = chunk});
    }
    whole.push_back(std::move(action));
    for (const int chunk : read) here[chunk] = whole.size();
  }
  release_all_but({});
  return whole;
}

}  // namespace

Plan MakePlan(Schedule schedule) {
  Plan plan{std::move(schedule), {}};
  plan.ranks.resize(plan.schedule.num_ranks());
  for (int rank = 0; rank < plan.schedule.num_ranks(); ++rank) {
    RankPlan own(plan.schedule, rank, plan.ranks[rank]);
    for (const Step& step : plan.schedule.ranks[rank]) own.Add(step);
    own.Finish();
  }
  OrderExchanges(plan);
  return plan;
}

Plan WithShardedWeights(Plan plan) {
  plan.shards_weights = true;
  for (std::vector<PlanAction>& actions : plan.ranks) actions = WithGathers(std::move(actions));
  return plan;
}

Plan ForwardPart(Plan plan) {
  const auto is_other = [](const PlanAction& action) {
    return action.op != PlanOp::kForward && action.op != PlanOp::kSendActivation &&
           action.op != PlanOp::kReceiveActivation;
  };
  for (std::vector<PlanAction>& actions : plan.ranks) {
    for (PlanAction& action : actions) {
      if (action.op == PlanOp::kForwardAndBackward) action = PlanAction(action.parts.front());
      std::erase_if(action.parts, is_other);
    }
    std::erase_if(actions, [&](const PlanAction& action) {
      return action.op == PlanOp::kExchange ? action.parts.empty() : is_other(action);
    });
  }
  return plan;
}

}  // namespace deduce
