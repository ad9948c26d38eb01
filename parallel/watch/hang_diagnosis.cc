#include "parallel/watch/hang_diagnosis.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace deduce {
namespace {

std::string RanksText(const std::vector<int>& ranks) {
  if (ranks.size() == 1) return absl::StrCat("rank ", ranks[0]);
  if (ranks.size() <= 8) return absl::StrCat("ranks ", absl::StrJoin(ranks, ", "));
  return absl::StrCat(ranks.size(), " ranks, the first of them rank ", ranks[0]);
}

// The ranks of a collective by what they called.
using Sides = std::map<std::string, std::vector<int>>;

class Diagnosis {
 public:
  explicit Diagnosis(const std::vector<RankState>& states) : history_(states) {}

  HangVerdict Run() {
    if (std::optional<HangVerdict> verdict = CollectiveConflict()) return *std::move(verdict);
    if (std::optional<HangVerdict> verdict = MessageConflict()) return *std::move(verdict);
    return WhoIsWaitedFor();
  }

 private:
  std::optional<HangVerdict> CollectiveConflict() const;
  HangVerdict ExplainSides(const CallHistory::Collective& collective, const Sides& sides) const;
  std::string KindOfDifference(const CallHistory::Collective& collective, int culprit,
                               int witness) const;
  std::optional<HangVerdict> RowConflict(const CallHistory::Collective& collective) const;
  std::optional<HangVerdict> MessageConflict() const;
  HangVerdict WhoIsWaitedFor() const;
  std::vector<int> WaitingFor(int culprit) const;
  std::string MissingText(const std::vector<int>& waiting) const;
  std::set<int> Circle() const;
  HangVerdict Explain(int culprit) const;
  HangVerdict ExplainCircle(const std::set<int>& circle) const;
  std::optional<HangVerdict> ExplainWrongEnd(int waiting) const;

  std::string Where(int rank, const std::string& action) const {
    return action.empty() ? absl::StrCat("rank ", rank)
                          : absl::StrCat("rank ", rank, " (", action, ")");
  }
  std::string Text(int rank, const LedgerCall& call) const {
    return CallText(call, history_.GroupOf(rank, call));
  }
  // The call that the others have to make for this call of `rank` to end.
  std::string CounterpartText(int rank, const LedgerCall& call) const {
    LedgerCall counterpart = call;
    if (IsTransfer(call)) {
      counterpart.set_operation(call.operation() == LedgerCall::Send ? LedgerCall::Receive
                                                                     : LedgerCall::Send);
      counterpart.set_peer(rank);
      counterpart.clear_exchange();  // the other end may send or receive it alone
    }
    return Text(rank, counterpart);
  }

  CallHistory history_;
};

// The oldest collective that its members do not agree on.
std::optional<HangVerdict> Diagnosis::CollectiveConflict() const {
  std::optional<HangVerdict> verdict;
  double oldest = -1;
  for (const auto& [key, collective] : history_.collectives()) {
    Sides sides;
    double age = 0;
    for (const auto& [rank, call] : collective.calls) {
      sides[CallSignature(*call)].push_back(rank);
      age = std::max(age, history_.Age(rank, call->began_ns()));
    }
    if (age <= oldest) continue;
    std::optional<HangVerdict> found;
    if (sides.size() > 1) {
      found = ExplainSides(collective, sides);
    } else {
      found = RowConflict(collective);
    }
    if (!found) continue;
    oldest = age;
    verdict = std::move(found);
  }
  return verdict;
}

HangVerdict Diagnosis::ExplainSides(const CallHistory::Collective& collective,
                                    const Sides& sides) const {
  std::vector<std::vector<int>> by_size;
  for (const auto& [signature, ranks] : sides) by_size.push_back(ranks);
  std::stable_sort(by_size.begin(), by_size.end(),
                   [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::vector<int> minority = by_size[0];
  std::vector<int> majority = by_size.back();
  if (minority.size() == majority.size()) {
    // Whoever does otherwise than it used to; else the later rank.
    const auto surprises = [&](const std::vector<int>& ranks) {
      return history_.Surprises(ranks[0], *collective.calls.at(ranks[0]));
    };
    if (surprises(majority) != surprises(minority) ? surprises(majority)
                                                   : majority[0] > minority[0]) {
      std::swap(minority, majority);
    }
  }
  const int culprit = minority[0];
  const LedgerCall& found = *collective.calls.at(culprit);
  const LedgerCall& expected = *collective.calls.at(majority[0]);
  return {.kind = HangVerdict::kCertain,
          .rank = culprit,
          .text = absl::StrCat(Where(culprit, found.action()), ": found ", Text(culprit, found),
                               ", expected ", Text(majority[0], expected), " as on ",
                               RanksText(majority), ": ",
                               KindOfDifference(collective, culprit, majority[0]))};
}

std::string Diagnosis::KindOfDifference(const CallHistory::Collective& collective, int culprit,
                                        int witness) const {
  const LedgerCall& found = *collective.calls.at(culprit);
  const LedgerCall& expected = *collective.calls.at(witness);
  const std::string signature = CallSignature(expected);
  // The culprit's next call tells a call that came too early from one that never came.
  const LedgerCall* next = history_.Next(culprit, found);
  if (next != nullptr && CallSignature(*next) == signature) return "reordered";
  const LedgerCall* expected_next = history_.Next(witness, expected);
  if (expected_next != nullptr && CallSignature(*expected_next) == CallSignature(found)) {
    return next == nullptr ? "skipped or reordered" : "skipped";
  }
  if (history_.EverFollows(signature, CallSignature(found), witness, expected)) {
    return next == nullptr ? "skipped or reordered" : "skipped";
  }
  if (found.operation() != expected.operation()) return "another operation";
  if (found.peer() != expected.peer()) return "wrong root";
  return found.type() != expected.type() ? "wrong type" : "wrong shape";
}

// Rows that one member of an exchange sends and another does not expect. The culprit is who differs
// from most.
std::optional<HangVerdict> Diagnosis::RowConflict(const CallHistory::Collective& collective) const {
  std::map<int, int> differences;
  std::map<int, std::string> texts;
  for (const auto& [from, send] : collective.calls) {
    if (send->operation() != LedgerCall::AllToAll) return std::nullopt;
    for (const auto& [to, receive] : collective.calls) {
      const int i = history_.PlaceIn(from, *send, from);
      const int j = history_.PlaceIn(from, *send, to);
      if (j >= send->send_row_size() || i >= receive->receive_row_size()) continue;
      if (send->send_row(j) == receive->receive_row(i)) continue;
      ++differences[from];
      ++differences[to];
      texts[from] = absl::StrCat("found ", send->send_row(j), " rows for rank ", to, " in ",
                                 Text(from, *send), ", expected ", receive->receive_row(i),
                                 ", as rank ", to, " expects: wrong shape");
      texts.try_emplace(
          to, absl::StrCat("found ", receive->receive_row(i), " rows awaited from rank ", from,
                           " in ", Text(to, *receive), ", expected ", send->send_row(j),
                           ", as rank ", from, " sends: wrong shape"));
    }
  }
  if (differences.empty()) return std::nullopt;
  const int culprit =
      std::max_element(differences.begin(), differences.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      })->first;
  return HangVerdict{.kind = HangVerdict::kCertain,
                     .rank = culprit,
                     .text = absl::StrCat(Where(culprit, collective.calls.at(culprit)->action()),
                                          ": ", texts.at(culprit))};
}

// A message whose two ends differ.
std::optional<HangVerdict> Diagnosis::MessageConflict() const {
  for (const auto& [key, message] : history_.messages()) {
    const auto& [lane, number] = key;
    if (message.send == nullptr || message.receive == nullptr) continue;
    const LedgerCall& send = *message.send;
    const LedgerCall& receive = *message.receive;
    if (send.type() == receive.type() && std::equal(send.size().begin(), send.size().end(),
                                                    receive.size().begin(), receive.size().end())) {
      continue;
    }
    const bool receiver =
        history_.Surprises(lane.to, receive) && !history_.Surprises(lane.from, send);
    const int culprit = receiver ? lane.to : lane.from;
    const int witness = receiver ? lane.from : lane.to;
    const LedgerCall& found = receiver ? receive : send;
    const LedgerCall& expected = receiver ? send : receive;
    return HangVerdict{
        .kind = HangVerdict::kCertain,
        .rank = culprit,
        .text = absl::StrCat(Where(culprit, found.action()), ": found ", Text(culprit, found),
                             ", expected ", CounterpartText(witness, expected), " as rank ",
                             witness, " expects: wrong shape")};
  }
  return std::nullopt;
}

// Follows waits to ranks that do not wait themselves.
HangVerdict Diagnosis::WhoIsWaitedFor() const {
  std::map<int, int> ends;  // rank -> how many wait for it directly
  bool anyone_blocked = false;
  for (int rank = 0; rank < history_.num_ranks(); ++rank) {
    if (history_.Blocking(rank) == nullptr) continue;
    anyone_blocked = true;
    for (const int other : history_.WaitsFor(rank)) {
      if (history_.Blocking(other) == nullptr) ++ends[other];
    }
  }
  const auto worse = [&](const std::pair<const int, int>& a, const std::pair<const int, int>& b) {
    const auto rank_of = [&](int rank) {
      const RankState& state = history_.state(rank);
      return state.status == RankState::kGone     ? 3
             : state.record.ended()               ? 2
             : state.status == RankState::kSilent ? 1
                                                  : 0;
    };
    return std::pair(rank_of(a.first), a.second) < std::pair(rank_of(b.first), b.second);
  };
  if (!ends.empty()) return Explain(std::max_element(ends.begin(), ends.end(), worse)->first);
  for (int rank = 0; rank < history_.num_ranks(); ++rank) {
    if (history_.state(rank).status == RankState::kGone) return Explain(rank);
  }
  if (const std::set<int> circle = Circle(); !circle.empty()) return ExplainCircle(circle);
  if (!anyone_blocked) return {};
  // Everybody has come and nobody leaves: data on its way, or lost.
  int longest = -1;
  for (int rank = 0; rank < history_.num_ranks(); ++rank) {
    if (history_.Blocking(rank) == nullptr) continue;
    if (longest < 0 || history_.SecondsBlocked(rank) > history_.SecondsBlocked(longest)) {
      longest = rank;
    }
  }
  return {.kind = HangVerdict::kSlow,
          .rank = longest,
          .text = absl::StrFormat("%s: found it for %.1f s in %s, expected its end, as all "
                                  "ranks that it needs have come: slow or broken transport",
                                  Where(longest, history_.state(longest).record.action()),
                                  history_.SecondsBlocked(longest),
                                  Text(longest, *history_.Blocking(longest)))};
}

std::vector<int> Diagnosis::WaitingFor(int culprit) const {
  std::vector<int> waiting;
  for (int rank = 0; rank < history_.num_ranks(); ++rank) {
    const std::vector<int> others = history_.WaitsFor(rank);
    if (std::find(others.begin(), others.end(), culprit) != others.end()) waiting.push_back(rank);
  }
  return waiting;
}

// Says for which call the first of `waiting` waits, and who else does.
std::string Diagnosis::MissingText(const std::vector<int>& waiting) const {
  const std::string text = CounterpartText(waiting[0], *history_.Awaited(waiting[0]));
  std::vector<int> same;
  for (const int rank : waiting) {
    if (CounterpartText(rank, *history_.Awaited(rank)) == text) same.push_back(rank);
  }
  return absl::StrCat(text, ", for which ", RanksText(same), same.size() == 1 ? " waits" : " wait");
}

// A rank that others wait for and that waits for nobody.
HangVerdict Diagnosis::Explain(int culprit) const {
  const RankState& state = history_.state(culprit);
  const std::vector<int> waiting = WaitingFor(culprit);
  const std::string expected = waiting.empty() ? "it in the run" : MissingText(waiting);
  const std::string last = history_.LastCallText(culprit);
  const auto verdict = [&](HangVerdict::Kind kind, const std::string& where,
                           const std::string& found, const char* what) {
    return HangVerdict{
        .kind = kind,
        .rank = culprit,
        .text = absl::StrCat(where, ": found ", found, ", expected ", expected, ": ", what)};
  };
  const std::string rank = absl::StrCat("rank ", culprit);
  const std::string known = last.empty() ? "" : absl::StrCat(" (last heard of in ", last, ")");
  if (state.status == RankState::kGone) {
    return verdict(HangVerdict::kCertain, rank, absl::StrCat("its process gone", known),
                   "dead peer");
  }
  if (state.status == RankState::kSilent) {
    return verdict(HangVerdict::kSilent, rank,
                   absl::StrCat("a process that does not answer", known),
                   "stopped process or lost host");
  }
  const std::string after = last.empty() ? "" : absl::StrCat(" after ", last);
  if (state.record.ended()) {
    return verdict(HangVerdict::kCertain, rank, absl::StrCat("the end of its run", after),
                   "skipped");
  }
  return verdict(
      HangVerdict::kSlow, Where(culprit, state.record.action()),
      absl::StrFormat("%.1f s of computing%s", history_.SecondsSinceLastCall(culprit), after),
      "slow peer");
}

// Ranks that wait for themselves, by way of others.
std::set<int> Diagnosis::Circle() const {
  std::set<int> circle;
  for (int start = 0; start < history_.num_ranks(); ++start) {
    std::set<int> reached;
    std::vector<int> left = history_.WaitsFor(start);
    while (!left.empty()) {
      const int rank = left.back();
      left.pop_back();
      if (!reached.insert(rank).second) continue;
      for (const int other : history_.WaitsFor(rank)) left.push_back(other);
    }
    if (reached.contains(start)) circle.insert(start);
  }
  return circle;
}

// Ranks that wait for each other. The culprit is, in this order: who is at the wrong end of a
// message; who does otherwise than it used to; who does not come to the message that has been
// waited for longest; who is in the call with the fewest ranks.
HangVerdict Diagnosis::ExplainCircle(const std::set<int>& circle) const {
  std::map<std::string, int> ranks_in;  // by call
  for (const int rank : circle) {
    if (std::optional<HangVerdict> verdict = ExplainWrongEnd(rank)) return *std::move(verdict);
    ++ranks_in[Text(rank, *history_.Blocking(rank))];
  }
  const auto order = [&](int rank) {
    const LedgerCall& call = *history_.Blocking(rank);
    double oldest_message = 0;  // among those that wait for this rank
    for (const int waiting : WaitingFor(rank)) {
      const LedgerCall& missing = *history_.Awaited(waiting);
      if (!IsTransfer(missing)) continue;
      oldest_message = std::max(oldest_message, history_.Age(waiting, missing.began_ns()));
    }
    return std::tuple(!history_.Surprises(rank, call), -oldest_message,
                      ranks_in.at(Text(rank, call)), -rank);
  };
  const int culprit = *std::min_element(circle.begin(), circle.end(),
                                        [&](int a, int b) { return order(a) < order(b); });
  const std::vector<int> waiting = WaitingFor(culprit);
  const LedgerCall& found = *history_.Blocking(culprit);
  return {.kind = HangVerdict::kCircle,
          .rank = culprit,
          .text = absl::StrCat(Where(culprit, found.action()), ": found ", Text(culprit, found),
                               ", expected ", MissingText(waiting), ": skipped or reordered")};
}

// Whether `waiting` waits for a message because it or the other rank has used another rank or tag:
// a lane that was never used before betrays it.
std::optional<HangVerdict> Diagnosis::ExplainWrongEnd(int waiting) const {
  const LedgerCall& call = *history_.Awaited(waiting);
  if (!IsTransfer(call)) return std::nullopt;
  const auto wrong = [&](int culprit, const LedgerCall& found, int witness,
                         const LedgerCall& expected) {
    return HangVerdict{
        .kind = HangVerdict::kCircle,
        .rank = culprit,
        .text = absl::StrCat(Where(culprit, found.action()), ": found ", Text(culprit, found),
                             ", expected ", CounterpartText(witness, expected), ", for which rank ",
                             witness, " waits: wrong ", found.peer() == witness ? "tag" : "peer")};
  };
  for (const CallHistory::Stray& stray :
       history_.Strays(/*sends=*/call.operation() == LedgerCall::Receive)) {
    if (stray.rank == call.peer() && stray.new_lane) {
      return wrong(stray.rank, *stray.call, waiting, call);
    }
    if (stray.call->peer() == waiting && call.number() == 0) {
      return wrong(waiting, call, stray.rank, *stray.call);
    }
  }
  return std::nullopt;
}

}  // namespace

HangVerdict Diagnose(const std::vector<RankState>& states) { return Diagnosis(states).Run(); }

}  // namespace deduce
