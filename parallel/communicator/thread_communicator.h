// Ranks as threads of one process: the same semantics as MPI, for tests and debugging.
#pragma once

#include <functional>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Runs body(world) on num_ranks threads and returns when all have ended. If a body throws, the
// other ranks are woken out of whatever they wait for with a c10::Error and the first exception is
// rethrown here.
void RunThreadRanks(int num_ranks, const std::function<void(Communicator&)>& body);

}  // namespace deduce
