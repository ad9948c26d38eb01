// Runs a function on N ranks: threads of this process in a plain run, the first N processes of the
// job under mpirun. The same test file therefore serves both.
#pragma once

#include <functional>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Called once by main: starts MPI when the program was started by mpirun.
void StartTestRanks(int* argc, char*** argv);

// Runs body on num_ranks ranks. Failures inside (EXPECT_*) are reported by whichever rank meets
// them. An exception out of body comes out here with threads, and ends the whole job under mpirun.
// Under mpirun with fewer processes than num_ranks, threads are used (every process runs them all),
// so no test is ever skipped.
void RunRanks(int num_ranks, const std::function<void(Communicator&)>& body);

}  // namespace deduce
