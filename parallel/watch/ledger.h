// A record of one rank's last calls of communicators and actions, which ranks compare when one of
// them makes no progress (DESIGN.md, When a rank hangs).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "parallel/watch/ledger.pb.h"

namespace deduce {

// The arguments of a call that the ranks of a group must agree on. Ranks are those of the world.
struct CallArguments {
  int type = -1;                         // c10::ScalarType; -1: no tensor
  absl::Span<const int64_t> sizes = {};  // the tensor's; AllToAll: a row's
  int peer = -1;                         // root, or the other rank of a transfer
  int tag = -1;                          // transfers only
  int64_t exchange = -1;                 // a transfer's number among the group's exchanges
  absl::Span<const int64_t> send_rows = {}, receive_rows = {};  // AllToAll only
  absl::Span<const int64_t> shard_rows = {};                    // ReduceScatter and AllGatherInto
};

// A ring of the last calls. One thread calls communicators; any may ask for a record. Recording a
// call allocates nothing once the ring has gone round.
class Ledger {
 public:
  explicit Ledger(int world_rank, int64_t capacity = 1024);

  // A group that this rank is a member of; returns its number in the record. `uid`: the same on all
  // members, and of no other group.
  int AddGroup(absl::string_view uid, absl::string_view name, const std::vector<int>& members);

  // A call begins; returns its index. A collective blocks the rank until End; one that is only
  // started does so from BeginWait on, as a transfer does.
  int64_t BeginCollective(int group, LedgerCall::Operation operation,
                          const CallArguments& arguments);
  int64_t StartCollective(int group, LedgerCall::Operation operation,
                          const CallArguments& arguments);
  int64_t BeginTransfer(int group, LedgerCall::Operation operation, const CallArguments& arguments);
  void BeginWait(int64_t index);
  void End(int64_t index);

  // Names the rank's action until EndAction, within the actions that have begun before.
  void BeginAction(absl::string_view what);
  void EndAction();
  std::string action() const;  // "reasoning_rl step 3, F0.3"

  // The rank has left the run in order.
  void EndRun();

  // How long the call that blocks this rank has done so; 0 if none does.
  double SecondsBlocked() const;

  // The last `max_calls` calls, the one that blocks among them, and everything else.
  LedgerRecord Record(int64_t max_calls) const;

 private:
  using LaneKey = std::tuple<int, int, int, int>;  // group, from, to, tag
  LedgerCall& NextCall(int group, LedgerCall::Operation operation, const CallArguments& arguments);
  LedgerCall* Find(int64_t index);
  int64_t Now() const;

  mutable std::mutex mutex_;
  const int world_rank_;
  std::vector<LedgerCall> ring_;
  int64_t num_calls_ = 0;
  int64_t blocked_ = -1;
  int64_t blocked_since_ns_ = 0;
  std::vector<LedgerGroup> groups_;
  std::map<LaneKey, int64_t> lanes_;
  std::vector<std::string> actions_;
  std::string action_;  // all of them
  bool ended_ = false;
};

// How many collectives lie between two digests of a group, and how many digests are kept.
inline constexpr int64_t kDigestInterval = 16;
inline constexpr int kDigestsKept = 64;

// All that members must agree on in a collective, as a text; without its number.
std::string CallSignature(const LedgerCall& call);

// "Broadcast 7 of world (float [3, 4] from rank 0)", "Send 3 to rank 2, tag 0 (float [4])".
std::string CallText(const LedgerCall& call, const LedgerGroup& group);

}  // namespace deduce
