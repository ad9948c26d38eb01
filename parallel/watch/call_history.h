// The ledgers of all ranks laid side by side: who called what, and who waits for whom.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "parallel/watch/ledger.h"

namespace deduce {

// The known state of one rank.
struct RankState {
  enum Status {
    kAnswers,
    kSilent,  // its process is there, but its watch does not answer: stopped, or a lost host
    kGone,    // its process has ended without leaving the run
  };
  Status status = kAnswers;
  LedgerRecord record;  // the last one known, or empty, where the rank does not answer
};

// Whether it is an end of a message.
bool IsTransfer(const LedgerCall& call);

// Calls point into the states, which live as long as the history. Ranks are those of the world.
class CallHistory {
 public:
  struct Collective {
    std::map<int, const LedgerCall*> calls;  // by rank, where a record still has them
  };
  struct Lane {  // messages with one sender, receiver, group and tag
    std::string group;
    int from = 0, to = 0, tag = 0;
    auto operator<=>(const Lane&) const = default;
  };
  struct Message {
    const LedgerCall* send = nullptr;
    const LedgerCall* receive = nullptr;
  };
  // A message that only one end knows of.
  struct Stray {
    int rank = 0;  // that end
    const LedgerCall* call = nullptr;
    bool new_lane = false;  // the other end has never used this lane
  };

  explicit CallHistory(const std::vector<RankState>& states);

  int num_ranks() const { return static_cast<int>(states_.size()); }
  const RankState& state(int rank) const { return states_[rank]; }
  // By uid of the group and number.
  const std::map<std::pair<std::string, int64_t>, Collective>& collectives() const {
    return collectives_;
  }
  const std::map<std::pair<Lane, int64_t>, Message>& messages() const { return messages_; }

  const LedgerGroup& GroupOf(int rank, const LedgerCall& call) const {
    return states_[rank].record.group(call.group());
  }
  // The place of `member` in the group of a call of `rank`; -1 if it has none.
  int PlaceIn(int rank, const LedgerCall& call, int member) const;

  // Seconds from a time of a rank's clock to its record.
  double Age(int rank, int64_t time_ns) const;

  // The call that a rank is in, if it answers and is in one.
  const LedgerCall* Blocking(int rank) const;
  double SecondsBlocked(int rank) const;
  double SecondsSinceLastCall(int rank) const;
  // "" if no call is known.
  std::string LastCallText(int rank) const;

  // The call whose other ranks keep `rank` waiting: the one it is in, or, when the other end of
  // that message has come, another message of the same exchange, as transports may end those
  // together. Null if it is in none.
  const LedgerCall* Awaited(int rank) const;

  // Ranks that have not come to the call that `rank` awaits.
  std::vector<int> WaitsFor(int rank) const;

  // The group's collective that a rank called after this one.
  const LedgerCall* Next(int rank, const LedgerCall& call) const;

  // Whether a rank used to do otherwise after the calls before this one: after the longest run of
  // calls that has occurred before, another came.
  bool Surprises(int rank, const LedgerCall& call) const;

  // Whether `second` has come directly after `first` in the group of `before`, a call of `rank`,
  // and before that call. Both are signatures.
  bool EverFollows(const std::string& first, const std::string& second, int rank,
                   const LedgerCall& before) const;

  // The oldest stray message of each lane: sends that nobody receives, or receives that nobody
  // sends. Of ranks that answer.
  std::vector<Stray> Strays(bool sends) const;

 private:
  void AddCalls(int rank);
  bool OtherEndHasCome(int rank, const LedgerCall& transfer) const;
  int64_t NumCalls(int rank, const std::string& group_uid) const;
  int64_t LaneCalls(int rank, const Lane& lane) const;
  Lane LaneOf(int rank, const LedgerCall& call) const;
  const LedgerCall* LastCall(int rank) const;

  const std::vector<RankState>& states_;
  std::map<std::pair<std::string, int64_t>, Collective> collectives_;
  std::map<std::pair<Lane, int64_t>, Message> messages_;
};

}  // namespace deduce
