// A communicator that counts what goes through it: how many calls and bytes a step takes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "parallel/communicator/communicator.h"

namespace deduce {

struct CallCount {
  int64_t calls = 0;
  int64_t bytes = 0;  // that this rank gives to a collective, or sends
};

// By operation, as methods are called; shared by a communicator and the groups split off from it.
// Groups of one rank count nothing.
using CallCounts = std::map<std::string, CallCount>;

// Wraps `inner`, which outlives it.
std::unique_ptr<Communicator> MakeCountingCommunicator(Communicator& inner,
                                                       std::shared_ptr<CallCounts> counts);

}  // namespace deduce
