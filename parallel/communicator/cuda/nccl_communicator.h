// Ranks with a GPU each, over NCCL. Built by the `cuda` preset alone; compiled and linked there,
// not run: no machine with a GPU has seen it yet.
#pragma once

#include <memory>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Collective over `bootstrap`, which spreads NCCL's identifier and goes on carrying what has no
// tensor: Barrier, AllGatherBytes, Abort. Tensors of the other operations are contiguous and lie on
// this rank's current CUDA device, which the caller has chosen; every call returns when the device
// is done with it. NCCL knows no tags: transfers between two ranks are matched in the order of
// issue. A failure of NCCL or CUDA throws c10::Error with rank and operation.
std::unique_ptr<Communicator> MakeNcclCommunicator(std::unique_ptr<Communicator> bootstrap);

}  // namespace deduce
