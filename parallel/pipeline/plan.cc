#include "parallel/pipeline/plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace deduce {
namespace {

// Adds one rank's actions in the order of its steps.
class RankPlan {
 public:
  RankPlan(const Schedule& schedule, int rank, std::vector<PlanAction>& actions)
      : schedule_(schedule), rank_(rank), actions_(actions) {}

  void Add(const Step& step) {
    // What both halves of an overlapped pair need is there before either begins.
    Receive(step.first);
    if (step.second) Receive(*step.second);
    Work(step.first);
    if (step.second) Work(*step.second);
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

  void Work(const Action& action) {
    actions_.push_back(
        {static_cast<PlanOp>(static_cast<int>(action.work)), action.chunk, action.micro_batch});
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

}  // namespace

std::string ActionText(const PlanAction& action) {
  constexpr const char* kWords[] = {"F",
                                    "B",
                                    "I",
                                    "W",
                                    "send activation ",
                                    "receive activation ",
                                    "send gradient ",
                                    "receive gradient ",
                                    "reduce ",
                                    "update ",
                                    "gather weights ",
                                    "release weights "};
  std::string text = kWords[static_cast<int>(action.op)] + std::to_string(action.chunk);
  if (action.op < PlanOp::kReduce) text += "." + std::to_string(action.micro_batch);
  const bool sends = action.op == PlanOp::kSendActivation || action.op == PlanOp::kSendGradient;
  if (sends) text += " to " + std::to_string(action.peer);
  if (action.op == PlanOp::kReceiveActivation || action.op == PlanOp::kReceiveGradient)
    text += " from " + std::to_string(action.peer);
  if (action.op == PlanOp::kReduce) text += " over";
  for (const int rank : action.group) text += " " + std::to_string(rank);
  return text;
}

std::vector<int> HoldersOf(const Schedule& schedule, int stage) {
  std::vector<int> holders;
  for (const std::vector<Place>& path : schedule.paths) holders.push_back(path[stage].rank);
  std::sort(holders.begin(), holders.end());
  holders.erase(std::unique(holders.begin(), holders.end()), holders.end());
  return holders;
}

int StageOf(const Schedule& schedule, int rank, const PlanAction& action) {
  return StageOf(schedule, rank, Action{Work::kForward, action.chunk, action.micro_batch});
}

Plan MakePlan(Schedule schedule) {
  Plan plan{std::move(schedule), {}};
  plan.ranks.resize(plan.schedule.num_ranks());
  for (int rank = 0; rank < plan.schedule.num_ranks(); ++rank) {
    RankPlan own(plan.schedule, rank, plan.ranks[rank]);
    for (const Step& step : plan.schedule.ranks[rank]) own.Add(step);
    own.Finish();
  }
  return plan;
}

bool ReadsWeights(PlanOp op) {
  return op == PlanOp::kForward || op == PlanOp::kBackward || op == PlanOp::kInputGradient;
}

Plan WithShardedWeights(Plan plan) {
  plan.shards_weights = true;
  for (std::vector<PlanAction>& actions : plan.ranks) {
    std::vector<PlanAction> whole;
    std::optional<size_t> release_at;  // of the chunk whose weights are here, if it is over now
    int here = -1;
    const auto release = [&] {
      if (here < 0) return;
      whole.insert(whole.begin() + static_cast<std::ptrdiff_t>(*release_at),
                   {.op = PlanOp::kReleaseWeights, .chunk = here});
      here = -1;
    };
    for (PlanAction& action : actions) {
      const bool reads = ReadsWeights(action.op);
      if (reads && action.chunk != here) {
        release();
        whole.push_back({.op = PlanOp::kGatherWeights, .chunk = action.chunk});
        here = action.chunk;
      }
      whole.push_back(std::move(action));
      if (reads) release_at = whole.size();
    }
    release();
    actions = std::move(whole);
  }
  return plan;
}

Plan ForwardPart(Plan plan) {
  for (std::vector<PlanAction>& actions : plan.ranks) {
    std::erase_if(actions, [](const PlanAction& action) {
      return action.op != PlanOp::kForward && action.op != PlanOp::kSendActivation &&
             action.op != PlanOp::kReceiveActivation;
    });
  }
  return plan;
}

}  // namespace deduce
