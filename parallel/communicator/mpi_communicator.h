// CPU tensors over MPI: the transport of real runs.
#pragma once

#include <cstdint>
#include <memory>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Starts MPI (once a process; ranks that share cores sleep while they wait for a transfer) and
// returns the world. Ends MPI at process exit in the normal case. Without mpirun the world has one
// member. Messages beyond max_message_bytes (1 .. 2^31 - 1) are split; it must be the same on all
// ranks. Errors of MPI throw c10::Error.
std::unique_ptr<Communicator> MakeMpiWorld(int* argc, char*** argv,
                                           int64_t max_message_bytes = int64_t{1} << 30);

}  // namespace deduce
