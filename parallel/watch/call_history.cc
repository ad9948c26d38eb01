#include "parallel/watch/call_history.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

// With its group, for the calls of one rank.
std::string FullSignature(const LedgerCall& call) {
  return absl::StrCat(call.group(), " ", CallSignature(call));
}

}  // namespace

bool IsTransfer(const LedgerCall& call) {
  return call.operation() == LedgerCall::Send || call.operation() == LedgerCall::Receive;
}

CallHistory::CallHistory(const std::vector<RankState>& states) : states_(states) {
  for (int rank = 0; rank < num_ranks(); ++rank) AddCalls(rank);
}

void CallHistory::AddCalls(int rank) {
  for (const LedgerCall& call : states_[rank].record.call()) {
    if (IsTransfer(call)) {
      Message& message = messages_[{LaneOf(rank, call), call.number()}];
      (call.operation() == LedgerCall::Send ? message.send : message.receive) = &call;
    } else {
      collectives_[{GroupOf(rank, call).uid(), call.number()}].calls[rank] = &call;
    }
  }
}

CallHistory::Lane CallHistory::LaneOf(int rank, const LedgerCall& call) const {
  const bool sends = call.operation() == LedgerCall::Send;
  return {GroupOf(rank, call).uid(), sends ? rank : call.peer(), sends ? call.peer() : rank,
          call.tag()};
}

int CallHistory::PlaceIn(int rank, const LedgerCall& call, int member) const {
  const auto& members = GroupOf(rank, call).member();
  const auto place = std::find(members.begin(), members.end(), member);
  return place == members.end() ? -1 : static_cast<int>(place - members.begin());
}

double CallHistory::Age(int rank, int64_t time_ns) const {
  return static_cast<double>(states_[rank].record.now_ns() - time_ns) * 1e-9;
}

const LedgerCall* CallHistory::Blocking(int rank) const {
  const RankState& state = states_[rank];
  if (state.status != RankState::kAnswers || state.record.blocked() < 0) return nullptr;
  for (const LedgerCall& call : state.record.call()) {
    if (call.index() == state.record.blocked()) return &call;
  }
  return nullptr;
}

double CallHistory::SecondsBlocked(int rank) const {
  return Age(rank, states_[rank].record.blocked_since_ns());
}

const LedgerCall* CallHistory::LastCall(int rank) const {
  const auto& calls = states_[rank].record.call();
  return calls.empty() ? nullptr : &calls[calls.size() - 1];
}

double CallHistory::SecondsSinceLastCall(int rank) const {
  double seconds = -1;
  for (const LedgerCall& call : states_[rank].record.call()) {
    const double age = Age(rank, std::max(call.began_ns(), call.ended_ns()));
    if (seconds < 0 || age < seconds) seconds = age;
  }
  return std::max(0.0, seconds);
}

std::string CallHistory::LastCallText(int rank) const {
  const LedgerCall* last = LastCall(rank);
  return last == nullptr ? "" : CallText(*last, GroupOf(rank, *last));
}

int64_t CallHistory::NumCalls(int rank, const std::string& group_uid) const {
  for (const LedgerGroup& group : states_[rank].record.group()) {
    if (group.uid() == group_uid) return group.num_calls();
  }
  return 0;
}

int64_t CallHistory::LaneCalls(int rank, const Lane& lane) const {
  const LedgerRecord& record = states_[rank].record;
  for (const LedgerLane& each : record.lane()) {
    if (each.from() == lane.from && each.to() == lane.to && each.tag() == lane.tag &&
        record.group(each.group()).uid() == lane.group) {
      return each.num_calls();
    }
  }
  return 0;
}

bool CallHistory::OtherEndHasCome(int rank, const LedgerCall& transfer) const {
  return LaneCalls(transfer.peer(), LaneOf(rank, transfer)) > transfer.number();
}

const LedgerCall* CallHistory::Awaited(int rank) const {
  const LedgerCall* blocking = Blocking(rank);
  if (blocking == nullptr || blocking->exchange() < 0 || !OtherEndHasCome(rank, *blocking))
    return blocking;
  for (const LedgerCall& call : states_[rank].record.call()) {
    if (call.group() == blocking->group() && call.exchange() == blocking->exchange() &&
        call.ended_ns() == 0 && !OtherEndHasCome(rank, call)) {
      return &call;
    }
  }
  return blocking;
}

std::vector<int> CallHistory::WaitsFor(int rank) const {
  const LedgerCall* call = Awaited(rank);
  if (call == nullptr) return {};
  if (IsTransfer(*call)) {
    if (OtherEndHasCome(rank, *call)) return {};
    return {call->peer()};
  }
  const LedgerGroup& group = GroupOf(rank, *call);
  std::vector<int> missing;
  for (const int member : group.member()) {
    if (NumCalls(member, group.uid()) <= call->number()) missing.push_back(member);
  }
  return missing;
}

const LedgerCall* CallHistory::Next(int rank, const LedgerCall& call) const {
  const auto found = collectives_.find({GroupOf(rank, call).uid(), call.number() + 1});
  if (found == collectives_.end()) return nullptr;
  const auto mine = found->second.calls.find(rank);
  return mine == found->second.calls.end() ? nullptr : mine->second;
}

bool CallHistory::Surprises(int rank, const LedgerCall& call) const {
  std::vector<std::string> before;
  for (const LedgerCall& each : states_[rank].record.call()) {
    if (each.index() < call.index()) before.push_back(FullSignature(each));
  }
  // The end of `before` whose longest run has come earlier too, and what came after it then.
  const size_t end = before.size();
  size_t longest = 0;
  std::string expected;
  for (size_t i = 1; i < end; ++i) {
    size_t length = 0;
    while (length < i && before[i - 1 - length] == before[end - 1 - length]) ++length;
    if (length >= longest && length > 0) {
      longest = length;
      expected = before[i];
    }
  }
  return longest > 0 && expected != FullSignature(call);
}

bool CallHistory::EverFollows(const std::string& first, const std::string& second, int rank,
                              const LedgerCall& before) const {
  std::string previous;
  for (const LedgerCall& call : states_[rank].record.call()) {
    if (IsTransfer(call) || call.group() != before.group()) continue;
    if (call.number() >= before.number()) break;
    const std::string signature = CallSignature(call);
    if (previous == first && signature == second) return true;
    previous = signature;
  }
  return false;
}

std::vector<CallHistory::Stray> CallHistory::Strays(bool sends) const {
  std::vector<Stray> strays;
  for (const auto& [key, message] : messages_) {
    const auto& [lane, number] = key;
    const int rank = sends ? lane.from : lane.to;
    const int other = sends ? lane.to : lane.from;
    const LedgerCall* call = sends ? message.send : message.receive;
    if (call == nullptr || states_[rank].status != RankState::kAnswers ||
        states_[other].status != RankState::kAnswers) {
      continue;
    }
    const int64_t known = LaneCalls(other, lane);
    if (number == known) strays.push_back({rank, call, known == 0});
  }
  return strays;
}

}  // namespace deduce
