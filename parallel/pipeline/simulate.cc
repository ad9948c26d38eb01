#include "parallel/pipeline/simulate.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <queue>
#include <set>
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

// Work that a rank does in one piece.
struct Piece {
  std::vector<Action> begins;  // whose inputs it needs
  std::vector<Action> ends;    // whose results are there when it is over
  double cost = 0;             // in the end with that of gathering
  double gather = 0;           // of weights that were not here
};

// The pieces of each of a rank's steps, and for each piece the step it is shown as.
class Pieces {
 public:
  Pieces(const Schedule& schedule, int rank, const ScheduleCosts& costs)
      : schedule_(schedule), rank_(rank), costs_(costs) {
    for (const Step& step : schedule.ranks[rank]) Add(step);
  }

  std::vector<Piece> pieces;
  std::vector<Step> steps;

 private:
  void Add(const Step& step) {
    const std::vector<Action> works =
        step.second ? std::vector{step.first, *step.second} : std::vector{step.first};
    const double gather = CostOfWeights(works);
    if (!step.second) return Put(step, {works, works, CostOfOne(step.first), gather});
    const bool at_once = costs_.stages.empty() || !costs_.overlapped_stages.empty();
    if (at_once) return Put(step, {works, works, CostOfPair(step.first, *step.second), gather});
    // In turn it is still one action, whose results are sent when all of it is over.
    Put({step.first}, {works, {}, CostOfOne(step.first), gather});
    Put({*step.second}, {{}, works, CostOfOne(*step.second), 0});
  }

  void Put(const Step& step, Piece piece) {
    piece.cost += piece.gather;
    steps.push_back(step);
    pieces.push_back(std::move(piece));
  }

  int Stage(const Action& action) const {
    const int stage = StageOf(schedule_, rank_, action);
    TORCH_CHECK(stage >= 0, "Simulate: found ", StepsText({{action}}), " on rank ", rank_,
                ", where that micro-batch never comes");
    return stage;
  }

  double CostOfOne(const Action& action) const {
    const int stage = Stage(action);
    return CostOf(action.work, costs_.stages.empty()
                                   ? StageCosts{costs_.forward, costs_.backward,
                                                costs_.input_gradient, costs_.weight_gradient}
                                   : costs_.stages.at(stage));
  }

  // As WithShardedWeights places gathers.
  double CostOfWeights(const std::vector<Action>& works) {
    std::set<int> read;
    double cost = 0;
    for (const Action& work : works) {
      if (work.work == Work::kWeightGradient || !read.insert(work.chunk).second) continue;
      if (here_.count(work.chunk) > 0) continue;
      cost += costs_.stages.empty() ? costs_.gather : costs_.stages.at(Stage(work)).gather;
    }
    if (!read.empty()) here_ = std::move(read);
    return cost;
  }

  double CostOfPair(const Action& first, const Action& second) const {
    const bool in_order = first.work == Work::kForward;
    const int forward = Stage(in_order ? first : second);
    const int backward = Stage(in_order ? second : first);
    return costs_.stages.empty() ? costs_.overlapped
                                 : costs_.overlapped_stages.at(forward).at(backward);
  }

  const Schedule& schedule_;
  const int rank_;
  const ScheduleCosts& costs_;
  std::set<int> here_;  // chunks that weights are gathered of
};

// Goes from event to event: a piece is over, or an input has come over. Ranks that work share the
// cores evenly, so one clock of work done says when each is over.
class Simulation {
 public:
  Simulation(const Schedule& schedule, const ScheduleCosts& costs)
      : schedule_(schedule), costs_(costs), ranks_(schedule.num_ranks()) {
    timeline_.ranks.resize(schedule.num_ranks());
    timeline_.exposed.resize(schedule.num_ranks());
    timeline_.bytes_sent.resize(schedule.num_ranks());
    for (int rank = 0; rank < schedule.num_ranks(); ++rank)
      own_.emplace_back(schedule, rank, costs);
  }

  Timeline Run() {
    for (int rank = 0; rank < schedule_.num_ranks(); ++rank) TryToBegin(rank);
    while (!working_.empty() || !arriving_.empty()) NextEvent();
    CheckFinished();
    timeline_.makespan = now_;
    for (const std::vector<TimedStep>& steps : timeline_.ranks) {
      double work = 0;
      for (const TimedStep& timed : steps) work += timed.end - timed.begin;
      timeline_.bubble.push_back(timeline_.makespan - work);
    }
    return std::move(timeline_);
  }

 private:
  struct Rank {
    size_t next = 0;  // piece
    bool works = false;
    double begin = 0;  // of the piece it works on
    double idle_since = 0;
  };
  struct Input {
    double made = 0, arrival = 0;
  };
  using Event = std::pair<double, int>;  // when, rank
  using Events = std::priority_queue<Event, std::vector<Event>, std::greater<>>;
  using Results = std::map<std::pair<int, int>, std::pair<double, int>>;

  const std::vector<Place>& PathOf(const Action& action) const {
    return schedule_.paths[schedule_.path_of[action.micro_batch]];
  }

  // Takes the later of `input` and what an action needs; false if that has not been made.
  bool Need(int rank, const Action& action, Input& input) const {
    const int stage = StageOf(schedule_, rank, action);
    const auto needs = [&](const Results& results, int at) {
      const auto found = results.find({at, action.micro_batch});
      if (found == results.end()) return false;
      const auto [made, maker] = found->second;
      input.made = std::max(input.made, made);
      input.arrival = std::max(input.arrival, made + (maker == rank ? 0 : costs_.transfer));
      return true;
    };
    if (action.work == Work::kForward) return stage == 0 || needs(outputs_, stage - 1);
    if (action.work == Work::kWeightGradient) return needs(gradients_, stage);
    return needs(outputs_, stage) &&
           (stage + 1 == schedule_.num_stages() || needs(gradients_, stage + 1));
  }

  void TryToBegin(int rank) {
    Rank& self = ranks_[rank];
    if (self.works || self.next == own_[rank].pieces.size()) return;
    const Piece& piece = own_[rank].pieces[self.next];
    Input input;
    for (const Action& action : piece.begins) {
      if (!Need(rank, action, input)) return;  // tried again when it is made
    }
    if (input.arrival > now_) return arriving_.push({input.arrival, rank});
    self.works = true;
    self.begin = now_;
    timeline_.exposed[rank] += now_ - std::min(now_, std::max(self.idle_since, input.made));
    working_.push({worked_ + piece.cost, rank});
  }

  void NextEvent() {
    const double share = costs_.cores > 0 && static_cast<double>(working_.size()) > costs_.cores
                             ? costs_.cores / static_cast<double>(working_.size())
                             : 1;
    const double over = working_.empty()
                            ? std::numeric_limits<double>::infinity()
                            : now_ + std::max(0.0, working_.top().first - worked_) / share;
    if (!arriving_.empty() && arriving_.top().first < over) {
      const auto [when, rank] = arriving_.top();
      arriving_.pop();
      worked_ += (when - now_) * share;
      now_ = when;
      return TryToBegin(rank);
    }
    const auto [worked, rank] = working_.top();
    working_.pop();
    worked_ = std::max(worked_, worked);
    now_ = over;
    Finish(rank);
  }

  void Finish(int rank) {
    Rank& self = ranks_[rank];
    const size_t piece = self.next++;
    const Piece& done = own_[rank].pieces[piece];
    // Where ranks share cores, gathering is drawn out as work is.
    const double gathered = done.cost > 0 ? (now_ - self.begin) * done.gather / done.cost : 0;
    timeline_.ranks[rank].push_back({own_[rank].steps[piece], self.begin + gathered, now_});
    timeline_.exposed[rank] += gathered;
    self.works = false;
    self.idle_since = now_;
    for (const Action& action : done.ends) Publish(rank, action);
    TryToBegin(rank);
  }

  void Publish(int rank, const Action& action) {
    if (action.work == Work::kWeightGradient) return;
    const bool forward = action.work == Work::kForward;
    const int stage = StageOf(schedule_, rank, action);
    (forward ? outputs_ : gradients_)[{stage, action.micro_batch}] = {now_, rank};
    const int other = forward ? stage + 1 : stage - 1;
    if (other < 0 || other == schedule_.num_stages()) return;
    const int user = PathOf(action)[other].rank;
    if (user == rank) return;
    timeline_.bytes_sent[rank] += costs_.transfer_bytes;
    TryToBegin(user);
  }

  void CheckFinished() const {
    std::string waiting;
    for (int rank = 0; rank < schedule_.num_ranks(); ++rank) {
      const size_t next = ranks_[rank].next;
      if (next == own_[rank].steps.size()) continue;
      waiting +=
          " rank " + std::to_string(rank) + " at " + StepsText({own_[rank].steps[next]}) + ";";
    }
    TORCH_CHECK(waiting.empty(), "Simulate: ", schedule_.name, " cannot go on:", waiting);
  }

  const Schedule& schedule_;
  const ScheduleCosts& costs_;
  std::vector<Pieces> own_;
  std::vector<Rank> ranks_;
  double now_ = 0;
  double worked_ = 0;            // by a rank that has worked all the time
  Events working_;               // ranks that work, by `worked_` at their end
  Events arriving_;              // ranks whose last input comes over
  Results outputs_, gradients_;  // (stage, micro-batch) -> when, by which rank
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
