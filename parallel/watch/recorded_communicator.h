// A communicator that writes every call into a ledger before it makes it.
#pragma once

#include <functional>
#include <memory>

#include "parallel/communicator/communicator.h"
#include "parallel/watch/ledger.h"

namespace deduce {

// Where the calls of a rank's groups are recorded. on_failure, if there is one, is called when the
// transport throws, in the call, with its message; then the exception goes on.
struct Recording {
  explicit Recording(int world_rank) : ledger(world_rank) {}
  Ledger ledger;
  std::function<void(const std::string& message)> on_failure = {};
};

// Makes the calls of `world` (which outlives the result) and records them, and those of all groups
// that are split off. Ranks of `world` are called world ranks. A group of one has no calls to
// record. Same bits.
std::unique_ptr<Communicator> MakeRecordedCommunicator(Communicator& world,
                                                       std::shared_ptr<Recording> recording);

}  // namespace deduce
