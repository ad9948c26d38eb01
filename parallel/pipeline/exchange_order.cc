#include "parallel/pipeline/exchange_order.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace deduce {
namespace {

int DurationOf(const PlanAction& action) {
  return action.op == PlanOp::kForwardAndBackward ? 3 : action.op == PlanOp::kBackward ? 2 : 1;
}

using MessageKey = std::pair<Channel, int>;  // with the micro-batch

// A rank's works on the clock, and its transfers with the times of their messages.
struct RankTimes {
  struct Transfer {
    PlanAction action;
    MessageKey message;
    int work = 0;  // that makes or uses the message
    int time = 0;
  };
  std::vector<Transfer> transfers;
  std::vector<int> begins, ends;  // a time for each work
};

class Clock {
 public:
  explicit Clock(const Plan& plan)
      : plan_(plan), next_(plan.ranks.size(), 0), inputs_(plan.ranks.size(), 0) {}

  // Nothing if ranks wait for each other, or for what nobody makes.
  std::optional<std::vector<RankTimes>> Run() {
    times_.resize(plan_.ranks.size());
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t rank = 0; rank < next_.size(); ++rank) {
        while (!HasEnded(rank) && Do(static_cast<int>(rank))) moved = true;
      }
    }
    for (size_t rank = 0; rank < next_.size(); ++rank) {
      if (!HasEnded(rank)) return std::nullopt;
    }
    return std::move(times_);
  }

 private:
  bool HasEnded(size_t rank) const { return next_[rank] == plan_.ranks[rank].size(); }

  // A rank's next action; false if it waits for a message.
  bool Do(int rank) {
    const PlanAction& action = plan_.ranks[rank][next_[rank]];
    RankTimes& own = times_[rank];
    const int now = own.ends.empty() ? 0 : own.ends.back();
    const int works = static_cast<int>(own.ends.size());
    if (IsReceive(action.op) || IsSend(action.op)) {
      const MessageKey message{ChannelOf(plan_.schedule, rank, action), action.micro_batch};
      const bool sends = IsSend(action.op);
      const auto made = sends ? made_.insert_or_assign(message, now).first : made_.find(message);
      if (made == made_.end()) return false;
      if (!sends) inputs_[rank] = std::max(inputs_[rank], made->second);
      own.transfers.push_back({action, message, sends ? works - 1 : works, made->second});
    } else if (!WorksOf(action).empty()) {
      own.begins.push_back(std::max(now, std::exchange(inputs_[rank], 0)));
      own.ends.push_back(own.begins.back() + DurationOf(action));
    }
    ++next_[rank];
    return true;
  }

  const Plan& plan_;
  std::vector<size_t> next_;
  std::vector<RankTimes> times_;
  std::vector<int> inputs_;  // by rank: when those of its next work are there
  std::map<MessageKey, int> made_;
};

// Transfers that begin together, before the rank's work of number `gap`.
struct Group {
  int gap = 0;
  int first_time = 0, last_time = 0;
  int used = std::numeric_limits<int>::max();  // the first time that a received message is
  std::vector<PlanAction> transfers;
};

// The groups of one rank, in order.
std::vector<Group> GroupsOf(RankTimes times) {
  std::stable_sort(times.transfers.begin(), times.transfers.end(),
                   [](const RankTimes::Transfer& a, const RankTimes::Transfer& b) {
                     return std::tie(a.time, a.message) < std::tie(b.time, b.message);
                   });
  std::vector<Group> groups;
  for (RankTimes::Transfer& transfer : times.transfers) {
    const bool sends = IsSend(transfer.action.op);
    const auto over = std::upper_bound(times.ends.begin(), times.ends.end(), transfer.time);
    int gap = sends ? transfer.work + 1
                    : std::min(transfer.work,
                               std::max(0, static_cast<int>(over - times.ends.begin()) - 1));
    if (!groups.empty()) gap = std::max(gap, groups.back().gap);
    const bool joins = !groups.empty() && groups.back().gap == gap &&
                       (sends ? groups.back().first_time == transfer.time &&
                                    groups.back().last_time == transfer.time
                              : transfer.time <= groups.back().used);
    if (!joins) groups.push_back({.gap = gap, .first_time = transfer.time});
    Group& group = groups.back();
    group.last_time = transfer.time;
    if (!sends) group.used = std::min(group.used, times.begins.at(transfer.work));
    group.transfers.push_back(std::move(transfer.action));
  }
  return groups;
}

std::vector<PlanAction> WithGroups(const std::vector<PlanAction>& actions,
                                   const std::vector<Group>& groups) {
  std::vector<PlanAction> result;
  auto group = groups.begin();
  int works = 0;
  const auto add_groups = [&] {
    for (; group != groups.end() && group->gap <= works; ++group)
      result.push_back({.op = PlanOp::kExchange, .parts = group->transfers});
  };
  add_groups();
  for (const PlanAction& action : actions) {
    if (IsSend(action.op)) continue;
    result.push_back(action);
    if (WorksOf(action).empty()) continue;
    ++works;
    add_groups();
  }
  return result;
}

// Each transfer by itself, a receive as late as it can be.
std::vector<PlanAction> OneByOne(const std::vector<PlanAction>& actions) {
  std::vector<PlanAction> result;
  for (const PlanAction& action : actions) {
    if (IsSend(action.op) || IsReceive(action.op))
      result.push_back({.op = PlanOp::kExchange, .parts = {action}});
    if (!IsSend(action.op)) result.push_back(action);
  }
  return result;
}

}  // namespace

void OrderExchanges(Plan& plan) {
  std::optional<std::vector<RankTimes>> times = Clock(plan).Run();
  for (size_t rank = 0; rank < plan.ranks.size(); ++rank) {
    std::vector<PlanAction>& actions = plan.ranks[rank];
    actions = times ? WithGroups(actions, GroupsOf(std::move((*times)[rank]))) : OneByOne(actions);
  }
}

}  // namespace deduce
