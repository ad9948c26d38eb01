// Ledgers of made-up ranks, for tests of what compares them.
#pragma once

#include <c10/core/ScalarType.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "parallel/watch/call_history.h"
#include "parallel/watch/ledger.h"

namespace deduce {

// `num_ranks` ranks in a world; the even ones in a group as well, and the odd ones.
class CallScript {
 public:
  explicit CallScript(int num_ranks) {
    std::vector<int> all(num_ranks);
    std::vector<int> halves[2];
    for (int r = 0; r < num_ranks; ++r) {
      all[r] = r;
      halves[r % 2].push_back(r);
    }
    for (int r = 0; r < num_ranks; ++r) {
      ledgers_.push_back(std::make_unique<Ledger>(r));
      world_ = ledgers_[r]->AddGroup("world", "world", all);
      half_ = ledgers_[r]->AddGroup("world/0:" + std::to_string(r % 2), "half", halves[r % 2]);
    }
    status_.resize(num_ranks);
  }

  Ledger& ledger(int rank) { return *ledgers_[rank]; }
  void SetStatus(int rank, RankState::Status status) { status_[rank] = status; }

  // A collective of one rank, which stays in it.
  int64_t Enter(int rank, LedgerCall::Operation operation, int64_t elements = 0, int root = -1,
                bool of_half = false) {
    const std::vector<int64_t> sizes = {elements};
    const int type = static_cast<int>(c10::ScalarType::Float);
    CallArguments arguments{.peer = root};
    if (elements > 0) {
      arguments.type = type;
      arguments.sizes = sizes;
    }
    return ledgers_[rank]->BeginCollective(of_half ? half_ : world_, operation, arguments);
  }
  int64_t EnterHalf(int rank, LedgerCall::Operation operation) {
    return Enter(rank, operation, 0, -1, /*of_half=*/true);
  }
  // A collective that all of these leave again.
  void All(std::initializer_list<int> ranks, LedgerCall::Operation operation, int64_t elements = 0,
           int root = -1) {
    for (const int r : ranks) ledgers_[r]->End(Enter(r, operation, elements, root));
  }
  void AllHalf(std::initializer_list<int> ranks, LedgerCall::Operation operation) {
    for (const int r : ranks) ledgers_[r]->End(EnterHalf(r, operation));
  }

  int64_t Send(int rank, int peer, int64_t elements = 4, int tag = 0) {
    return Transfer(rank, LedgerCall::Send, peer, elements, tag);
  }
  int64_t Receive(int rank, int peer, int64_t elements = 4, int tag = 0) {
    return Transfer(rank, LedgerCall::Receive, peer, elements, tag);
  }
  // A send to one rank and a receive from another, in exchange `number` of the rank.
  std::pair<int64_t, int64_t> Exchange(int rank, int to, int from, int64_t number) {
    return {Transfer(rank, LedgerCall::Send, to, 4, 0, number),
            Transfer(rank, LedgerCall::Receive, from, 4, 0, number)};
  }
  // A message that has arrived.
  void Pass(int from, int to) {
    ledgers_[from]->End(Send(from, to));
    ledgers_[to]->End(Receive(to, from));
  }

  std::vector<RankState> States() const {
    std::vector<RankState> states;
    for (size_t r = 0; r < ledgers_.size(); ++r) {
      states.push_back({status_[r], ledgers_[r]->Record(1000)});
    }
    return states;
  }

 private:
  int64_t Transfer(int rank, LedgerCall::Operation operation, int peer, int64_t elements, int tag,
                   int64_t exchange = -1) {
    const std::vector<int64_t> sizes = {elements};
    return ledgers_[rank]->BeginTransfer(world_, operation,
                                         {.type = static_cast<int>(c10::ScalarType::Float),
                                          .sizes = sizes,
                                          .peer = peer,
                                          .tag = tag,
                                          .exchange = exchange});
  }

  std::vector<std::unique_ptr<Ledger>> ledgers_;
  std::vector<RankState::Status> status_;
  int world_ = 0;
  int half_ = 0;
};

}  // namespace deduce
