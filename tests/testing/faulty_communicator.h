// A communicator that does one thing wrong: for tests of what explains why a job hangs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "parallel/communicator/communicator.h"

namespace deduce {

struct Fault {
  enum Kind {
    kNone,
    kDo,       // calls `act` first
    kSkip,     // does not call; what the call returns is made up
    kReorder,  // calls after the next call instead; of Barrier and Broadcast
    kShape,    // one element or row more than given
    kRoot,     // the next rank as root
    kPeer,     // the next rank but one as the other end
    kTag,      // another tag
  };
  Kind kind = kNone;
  std::string operation;  // "Broadcast", as methods are called
  int64_t nth = 0;        // of the calls of this operation
  std::function<void()> act = {};
};

// Wraps `inner`, which outlives it. Groups that are split off have no fault.
std::unique_ptr<Communicator> MakeFaultyCommunicator(Communicator& inner, Fault fault);

}  // namespace deduce
