#include "parallel/pipeline/prove.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "parallel/pipeline/peak_memory.h"

namespace deduce {
namespace {

bool IsTransfer(PlanOp op) { return IsSend(op) || IsReceive(op); }

bool AddsGradient(PlanOp op) { return op == PlanOp::kBackward || op == PlanOp::kWeightGradient; }

// A rank's chunk and a micro-batch in it.
using Item = std::pair<int, int>;
Item ItemOf(const PlanAction& action) { return {action.chunk, action.micro_batch}; }

class Proof {
 public:
  Proof(const Plan& plan, const ProofLimits& limits)
      : plan_(plan), schedule_(plan.schedule), limits_(limits) {}

  absl::Status Run() {
    RETURN_IF_ERROR(CheckPlaces());
    RETURN_IF_ERROR(CheckWorkOnce());
    RETURN_IF_ERROR(CheckReductions());
    RETURN_IF_ERROR(CheckGradientOrder());
    RETURN_IF_ERROR(CheckWeights());
    RETURN_IF_ERROR(CheckUses());
    RETURN_IF_ERROR(CheckChannels());
    for (const TransportKind transport : limits_.transports)
      RETURN_IF_ERROR(CheckProgress(plan_, transport, limits_.channel_messages));
    return CheckMemory();
  }

 private:
  int num_ranks() const { return static_cast<int>(plan_.ranks.size()); }

  absl::Status Wrong(int rank, size_t index, const std::string& found,
                     const std::string& expected) const {
    const std::vector<PlanAction>& actions = plan_.ranks[rank];
    const std::string what =
        index < actions.size() ? ActionText(actions[index]) : std::string("the end");
    return absl::InvalidArgumentError(absl::StrCat("plan ", schedule_.name, ": rank ", rank,
                                                   ", action ", index, " (", what, "): found ",
                                                   found, ", expected ", expected));
  }

  // Calls check(rank, index, action) for all; the first error ends it.
  template <typename Check>
  absl::Status ForAll(const Check& check) const {
    for (int rank = 0; rank < num_ranks(); ++rank) {
      for (size_t i = 0; i < plan_.ranks[rank].size(); ++i)
        RETURN_IF_ERROR(check(rank, i, plan_.ranks[rank][i]));
    }
    return absl::OkStatus();
  }

  // The same for works, those of pairs too.
  template <typename Check>
  absl::Status ForAllWorks(const Check& check) const {
    return ForAll([&](int rank, size_t i, const PlanAction& action) -> absl::Status {
      for (const PlanAction& work : WorksOf(action)) RETURN_IF_ERROR(check(rank, i, work));
      return absl::OkStatus();
    });
  }

  // The rank that the stage `step` after this one's is on, or -1 without one.
  int NeighbourOf(int rank, const PlanAction& action, int step) const {
    const std::vector<Place>& path = schedule_.paths[schedule_.path_of[action.micro_batch]];
    const int stage = StageOf(schedule_, rank, action) + step;
    return stage < 0 || stage >= static_cast<int>(path.size()) ? -1 : path[stage].rank;
  }

  // Steps to the stage at the other end of a transfer.
  static int Direction(PlanOp op) {
    return op == PlanOp::kSendActivation || op == PlanOp::kReceiveGradient ? 1 : -1;
  }

  absl::Status CheckPlaces() const {
    return ForAll([&](int rank, size_t i, const PlanAction& action) -> absl::Status {
      if (action.op == PlanOp::kExchange) return CheckExchange(rank, i, action);
      if (action.op == PlanOp::kForwardAndBackward) return CheckPair(rank, i, action);
      if (!action.parts.empty()) return Wrong(rank, i, "parts", "none of this action");
      if (IsSend(action.op)) return Wrong(rank, i, "a send by itself", "it in an exchange");
      if (IsReceive(action.op) || action.op <= PlanOp::kWeightGradient)
        return CheckPlace(rank, i, action);
      if (action.chunk >= 0 && action.chunk < schedule_.num_chunks) return absl::OkStatus();
      return Wrong(rank, i, "a chunk that is not there",
                   absl::StrCat("0 to ", schedule_.num_chunks - 1));
    });
  }

  absl::Status CheckExchange(int rank, size_t i, const PlanAction& exchange) const {
    if (exchange.parts.empty()) return Wrong(rank, i, "nothing in it", "a send or a receive");
    for (const PlanAction& transfer : exchange.parts) {
      if (!IsTransfer(transfer.op))
        return Wrong(rank, i, ActionText(transfer), "sends and receives");
      RETURN_IF_ERROR(CheckPlace(rank, i, transfer));
    }
    return absl::OkStatus();
  }

  absl::Status CheckPair(int rank, size_t i, const PlanAction& pair) const {
    const std::vector<PlanAction>& works = pair.parts;
    if (works.size() != 2 || works[0].op != PlanOp::kForward || works[1].op != PlanOp::kBackward)
      return Wrong(rank, i, "another pair", "a forward and a backward");
    if (ItemOf(pair) != ItemOf(works[0]))
      return Wrong(rank, i, absl::StrCat("the name of ", pair.chunk, ".", pair.micro_batch),
                   "that of its forward");
    if (ItemOf(works[0]) == ItemOf(works[1]))
      return Wrong(rank, i, "a forward and its own backward at once", "those of different work");
    RETURN_IF_ERROR(CheckPlace(rank, i, works[0]));
    return CheckPlace(rank, i, works[1]);
  }

  // Checks work and transfers.
  absl::Status CheckPlace(int rank, size_t i, const PlanAction& action) const {
    if (StageOf(schedule_, rank, action) < 0) {
      return Wrong(rank, i, "a micro-batch that never comes to this chunk",
                   "one whose path leads there");
    }
    if (!IsTransfer(action.op)) return absl::OkStatus();
    const int neighbour = NeighbourOf(rank, action, Direction(action.op));
    if (action.peer == neighbour && action.peer != rank) return absl::OkStatus();
    return Wrong(rank, i, absl::StrCat("peer ", action.peer),
                 neighbour < 0 ? "no transfer at this end of the pipe"
                 : neighbour == rank
                     ? "no transfer within a rank"
                     : absl::StrCat("rank ", neighbour, ", which has the neighbouring stage"));
  }

  // How often each kind of work is done on a (stage, micro-batch).
  using WorkCount = std::map<std::tuple<int, int, PlanOp>, int>;

  static int CountOf(const WorkCount& count, int stage, int micro_batch, PlanOp op) {
    const auto found = count.find({stage, micro_batch, op});
    return found == count.end() ? 0 : found->second;
  }

  absl::Status CheckWorkOnce() const {
    WorkCount count;
    RETURN_IF_ERROR(ForAllWorks([&](int rank, size_t i, const PlanAction& action) -> absl::Status {
      const int stage = StageOf(schedule_, rank, action);
      const auto done = [&](PlanOp op) { return CountOf(count, stage, action.micro_batch, op); };
      ++count[{stage, action.micro_batch, action.op}];
      if (done(action.op) > 1) return Wrong(rank, i, "this work a second time", "it once");
      if (done(PlanOp::kBackward) > 0 &&
          done(PlanOp::kInputGradient) + done(PlanOp::kWeightGradient) > 0) {
        return Wrong(rank, i, "a whole backward and a part of it", "one or the other");
      }
      return absl::OkStatus();
    }));
    for (int rank = 0; rank < num_ranks(); ++rank)
      RETURN_IF_ERROR(CheckNothingMissing(rank, count));
    return absl::OkStatus();
  }

  absl::Status CheckNothingMissing(int rank, const WorkCount& count) const {
    for (int micro_batch = 0; micro_batch < schedule_.num_micro_batches; ++micro_batch) {
      for (int chunk = 0; chunk < schedule_.num_chunks; ++chunk) {
        const int stage = StageOf(schedule_, rank, Action{Work::kForward, chunk, micro_batch});
        if (stage < 0) continue;
        const auto has = [&](PlanOp op) { return CountOf(count, stage, micro_batch, op) > 0; };
        const bool backward =
            has(PlanOp::kBackward) || (has(PlanOp::kInputGradient) && has(PlanOp::kWeightGradient));
        if (has(PlanOp::kForward) && backward) continue;
        return Wrong(rank, plan_.ranks[rank].size(),
                     absl::StrCat("no ", has(PlanOp::kForward) ? "whole backward" : "forward",
                                  " of micro-batch ", micro_batch, " in chunk ", chunk),
                     "it once");
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckReductions() const {
    for (int rank = 0; rank < num_ranks(); ++rank) {
      std::set<int> reduced, updated;
      for (size_t i = 0; i < plan_.ranks[rank].size(); ++i) {
        const PlanAction& action = plan_.ranks[rank][i];
        for (const PlanAction& work : WorksOf(action)) {
          if (AddsGradient(work.op) && reduced.count(work.chunk) > 0)
            return Wrong(rank, i, "a weight gradient after its reduction", "it before");
          if (updated.count(work.chunk) > 0)
            return Wrong(rank, i, "work after the update", "it before");
        }
        if (action.op == PlanOp::kReduce) {
          RETURN_IF_ERROR(CheckGroup(rank, i, action));
          if (!reduced.insert(action.chunk).second)
            return Wrong(rank, i, "a second reduction", "one");
        }
        if (action.op == PlanOp::kUpdate) {
          if (reduced.count(action.chunk) == 0)
            return Wrong(rank, i, "an update without a reduction", "one before it");
          if (!updated.insert(action.chunk).second) return Wrong(rank, i, "a second update", "one");
        }
      }
      for (int chunk = 0; chunk < schedule_.num_chunks; ++chunk) {
        if (updated.count(chunk) == 0)
          return Wrong(rank, plan_.ranks[rank].size(), absl::StrCat("no update of chunk ", chunk),
                       "one");
      }
    }
    return absl::OkStatus();
  }

  // GradientTree takes the micro-batches of a chunk in their order.
  absl::Status CheckGradientOrder() const {
    std::map<Place, int> last;
    return ForAllWorks([&](int rank, size_t i, const PlanAction& action) -> absl::Status {
      if (!AddsGradient(action.op)) return absl::OkStatus();
      int& before = last.try_emplace({rank, action.chunk}, -1).first->second;
      if (action.micro_batch < before) {
        return Wrong(rank, i, absl::StrCat("a weight gradient after that of micro-batch ", before),
                     "those of a chunk in the order of micro-batches, as their sum's bits want");
      }
      before = action.micro_batch;
      return absl::OkStatus();
    });
  }

  absl::Status CheckGroup(int rank, size_t i, const PlanAction& action) const {
    const int stage = StageOfChunk(rank, action.chunk);
    if (stage < 0) return Wrong(rank, i, "a chunk without a stage", "no reduction of it");
    const std::vector<int> holders = HoldersOf(schedule_, stage);
    if (action.group == holders) return absl::OkStatus();
    std::string expected = "all ranks with this stage:";
    for (const int holder : holders) absl::StrAppend(&expected, " ", holder);
    return Wrong(rank, i, "another group", expected);
  }

  absl::Status CheckWeights() const {
    std::set<Place> here;
    RETURN_IF_ERROR(ForAll([&](int rank, size_t i, const PlanAction& action) {
      return UseWeights(rank, i, action, here);
    }));
    for (const Place& place : here) {
      return Wrong(place.rank, plan_.ranks[place.rank].size(),
                   absl::StrCat("weights of chunk ", place.chunk, " still gathered"),
                   "a release before");
    }
    return absl::OkStatus();
  }

  absl::Status UseWeights(int rank, size_t i, const PlanAction& action,
                          std::set<Place>& here) const {
    const Place place{rank, action.chunk};
    const bool gathers = action.op == PlanOp::kGatherWeights;
    if (gathers || action.op == PlanOp::kReleaseWeights) {
      if (!plan_.shards_weights)
        return Wrong(rank, i, "weights that are always whole", "none of this");
      const int stage = StageOfChunk(rank, action.chunk);
      if (stage < 0) return Wrong(rank, i, "a chunk without a stage", "one with it");
      if (gathers && HoldersOf(schedule_, stage).size() > 1)
        return Wrong(rank, i, "another rank of the pipeline with these weights", "this one alone");
      if (gathers == (here.count(place) > 0)) {
        return Wrong(rank, i, gathers ? "weights that are gathered" : "weights that are not",
                     gathers ? "a release before" : "a gather before");
      }
      gathers ? void(here.insert(place)) : void(here.erase(place));
      return absl::OkStatus();
    }
    if (!plan_.shards_weights) return absl::OkStatus();
    for (const PlanAction& work : WorksOf(action)) {
      if (ReadsWeights(work.op) && here.count({rank, work.chunk}) == 0)
        return Wrong(rank, i, "no weights", "a gather before");
    }
    if (action.op == PlanOp::kUpdate && here.count(place) > 0)
      return Wrong(rank, i, "gathered weights, which would be old", "a release before");
    return absl::OkStatus();
  }

  // The data on a rank as its list goes on.
  struct Held {
    std::set<std::pair<PlanOp, Item>> begun;  // receives
    std::set<Item> inputs, gradients;     // received, or handed over by another chunk of the rank
    std::set<Item> activations, outputs;  // of forwards; outputs until they are sent
    std::set<Item> input_gradients;       // until they are sent
    std::set<Item> waiting;               // input gradients whose weight gradients are to come
  };

  absl::Status CheckUses() const {
    for (int rank = 0; rank < num_ranks(); ++rank) {
      Held held;
      for (size_t i = 0; i < plan_.ranks[rank].size(); ++i)
        RETURN_IF_ERROR(UseAll(rank, i, plan_.ranks[rank][i], held));
      if (!held.begun.empty()) {
        const auto& [op, item] = *held.begun.begin();
        return Wrong(rank, plan_.ranks[rank].size(),
                     absl::StrCat(held.begun.size(), " receives that nobody waits for, first ",
                                  item.first, ".", item.second),
                     "none left over");
      }
      for (const auto& [what, items] :
           {std::pair{"received activations", &held.inputs},
            std::pair{"received gradients", &held.gradients},
            std::pair{"outputs that were not sent", &held.outputs},
            std::pair{"gradients that were not sent", &held.input_gradients}}) {
        if (!items->empty())
          return Wrong(rank, plan_.ranks[rank].size(),
                       absl::StrCat(items->size(), " ", what, ", first ", items->begin()->first,
                                    ".", items->begin()->second),
                       "none left over");
      }
    }
    return absl::OkStatus();
  }

  // The parts of a pair need nothing of each other (CheckPair), so they can be used in turn.
  absl::Status UseAll(int rank, size_t i, const PlanAction& action, Held& held) const {
    if (action.parts.empty()) return Use(rank, i, action, held);
    for (const PlanAction& part : action.parts) {
      if (!IsReceive(part.op)) {
        RETURN_IF_ERROR(Use(rank, i, part, held));
      } else if (!held.begun.insert({part.op, ItemOf(part)}).second) {
        return Wrong(rank, i, "a receive that has begun", "it once");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Use(int rank, size_t i, const PlanAction& action, Held& held) const {
    const Item item = ItemOf(action);
    const auto take = [&](std::set<Item>& from, const char* what) -> absl::Status {
      if (from.erase(item) > 0) return absl::OkStatus();
      return Wrong(rank, i, absl::StrCat("no ", what), "it before this action");
    };
    const auto put = [&](std::set<Item>& into, const Item& new_item) -> absl::Status {
      if (into.insert(new_item).second) return absl::OkStatus();
      return Wrong(rank, i, "what is there already", "it once");
    };
    switch (action.op) {
      case PlanOp::kReceiveActivation:
      case PlanOp::kReceiveGradient:
        if (held.begun.erase({action.op, item}) == 0)
          return Wrong(rank, i, "no receive that has begun", "it in an exchange before");
        return put(action.op == PlanOp::kReceiveActivation ? held.inputs : held.gradients, item);
      case PlanOp::kSendActivation:
        return take(held.outputs, "output to send");
      case PlanOp::kSendGradient:
        return take(held.input_gradients, "gradient to send");
      case PlanOp::kForward:
        if (NeighbourOf(rank, action, -1) >= 0) RETURN_IF_ERROR(take(held.inputs, "input"));
        RETURN_IF_ERROR(put(held.activations, item));
        return HandOver(rank, action, 1, held.outputs, held.inputs, put);
      case PlanOp::kBackward:
      case PlanOp::kInputGradient:
        if (NeighbourOf(rank, action, 1) >= 0)
          RETURN_IF_ERROR(take(held.gradients, "gradient of the output"));
        if (held.activations.count(item) == 0)
          return Wrong(rank, i, "no activations", "a forward before this action");
        if (action.op == PlanOp::kBackward) held.activations.erase(item);
        if (action.op == PlanOp::kInputGradient) RETURN_IF_ERROR(put(held.waiting, item));
        return HandOver(rank, action, -1, held.input_gradients, held.gradients, put);
      case PlanOp::kWeightGradient:
        RETURN_IF_ERROR(take(held.waiting, "input gradient"));
        return take(held.activations, "activations");
      case PlanOp::kForwardAndBackward:
      case PlanOp::kExchange:
      case PlanOp::kReduce:
      case PlanOp::kUpdate:
      case PlanOp::kGatherWeights:
      case PlanOp::kReleaseWeights:
        return absl::OkStatus();
    }
    return Wrong(rank, i, "an unknown action", "one of PlanOp");
  }

  // The result of a work is to be sent, or is the input of this rank's chunk with the next stage.
  template <typename Put>
  absl::Status HandOver(int rank, const PlanAction& action, int step, std::set<Item>& to_send,
                        std::set<Item>& to_use, const Put& put) const {
    const int neighbour = NeighbourOf(rank, action, step);
    if (neighbour < 0) return absl::OkStatus();
    if (neighbour != rank) return put(to_send, ItemOf(action));
    const std::vector<Place>& path = schedule_.paths[schedule_.path_of[action.micro_batch]];
    const Place next = path[StageOf(schedule_, rank, action) + step];
    return put(to_use, {next.chunk, action.micro_batch});
  }

  absl::Status CheckChannels() const {
    struct Transferred {
      int micro_batch, rank;
      size_t index;
    };
    std::map<Channel, std::vector<Transferred>> sent, received;
    RETURN_IF_ERROR(ForAll([&](int rank, size_t i, const PlanAction& action) {
      if (action.op != PlanOp::kExchange) return absl::OkStatus();
      for (const PlanAction& transfer : action.parts) {
        (IsSend(transfer.op) ? sent : received)[ChannelOf(schedule_, rank, transfer)].push_back(
            {transfer.micro_batch, rank, i});
      }
      return absl::OkStatus();
    }));
    for (const auto& [channel, messages] : received) sent[channel];  // all channels are in `sent`
    for (const auto& [channel, messages] : sent) {
      const std::vector<Transferred>& arriving = received[channel];
      for (size_t n = 0; n < std::max(messages.size(), arriving.size()); ++n) {
        if (n >= arriving.size())
          return Wrong(messages[n].rank, messages[n].index, "nobody who receives this",
                       absl::StrCat("rank ", channel.to, " to do so"));
        if (n >= messages.size())
          return Wrong(arriving[n].rank, arriving[n].index, "nobody who sends this",
                       absl::StrCat("rank ", channel.from, " to do so"));
        if (arriving[n].micro_batch != messages[n].micro_batch)
          return Wrong(arriving[n].rank, arriving[n].index,
                       absl::StrCat("another order than rank ", channel.from, " sends in"),
                       absl::StrCat("micro-batch ", messages[n].micro_batch, " here"));
      }
    }
    return absl::OkStatus();
  }

  int StageOfChunk(int rank, int chunk) const {
    for (const std::vector<Place>& path : schedule_.paths) {
      const auto found = std::find(path.begin(), path.end(), Place{rank, chunk});
      if (found != path.end()) return static_cast<int>(found - path.begin());
    }
    return -1;
  }

  absl::Status CheckMemory() const {
    for (int rank = 0; rank < num_ranks(); ++rank) {
      const int peak = PeakActivations(plan_.ranks[rank]);
      if (limits_.peak_activations >= 0 && peak > limits_.peak_activations) {
        return absl::InvalidArgumentError(
            absl::StrCat("plan ", schedule_.name, ": rank ", rank, ": found activations of ", peak,
                         " micro-batches at once, expected at most ", limits_.peak_activations));
      }
      const int receives = PeakReceives(plan_.ranks[rank]);
      if (limits_.peak_receives >= 0 && receives > limits_.peak_receives) {
        return absl::InvalidArgumentError(
            absl::StrCat("plan ", schedule_.name, ": rank ", rank, ": found ", receives,
                         " receives at once, expected at most ", limits_.peak_receives));
      }
    }
    return absl::OkStatus();
  }

  const Plan& plan_;
  const Schedule& schedule_;
  const ProofLimits& limits_;
};

}  // namespace

absl::Status Prove(const Plan& plan, const ProofLimits& limits) {
  return Proof(plan, limits).Run();
}

}  // namespace deduce
