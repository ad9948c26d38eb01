#include "tests/testing/rank_group.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include "parallel/communicator/mpi_communicator.h"
#include "parallel/communicator/thread_communicator.h"

namespace deduce {
namespace {

std::unique_ptr<Communicator> world;  // null in a plain run

}  // namespace

void StartTestRanks(int* argc, char*** argv) {
  if (std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr) world = MakeMpiWorld(argc, argv);
}

void RunRanks(int num_ranks, const std::function<void(Communicator&)>& body) {
  if (world == nullptr || world->size() < num_ranks) {
    RunThreadRanks(num_ranks, body);
    return;
  }
  // An exception here would leave the other processes waiting for this one, so it ends the whole
  // job.
  try {
    const bool takes_part = world->rank() < num_ranks;
    const std::unique_ptr<Communicator> group = world->Split(takes_part ? 0 : 1, world->rank());
    if (takes_part) body(*group);
    world->Barrier();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "RunRanks: rank %d of %d threw: %s\n", world->rank(), world->size(),
                 error.what());
    world->Abort(1);
  }
}

}  // namespace deduce
