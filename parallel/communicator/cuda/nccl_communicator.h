// Ranks with a GPU each, over NCCL. Built by the `cuda` preset alone; compiled and linked there,
// not run: no machine with a GPU has seen it yet.
#pragma once

#include <memory>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Collective over `bootstrap`, which spreads NCCL's identifier and goes on carrying what has no
// tensor: Barrier, AllGatherBytes, Abort. Tensors of the other operations are contiguous and lie on
// this rank's current CUDA device, which the caller has chosen.
//
// All work is queued on a stream of the communicator's own, behind what the caller has queued on
// LibTorch's current stream, and in the order of the calls. The host waits for nothing: after a
// call, or after a transfer's Wait, it is the caller's current stream that waits. Tensors are kept
// until the device is past them. NCCL knows no tags: transfers between two ranks are matched in the
// order of issue, and one that comes before another ends before it; those of an Exchange are one
// group (TransportKind::kOrderedPeers of parallel/pipeline/progress.h).
//
// A failure of NCCL or CUDA throws c10::Error with the operation, "found 0 CUDA devices, expected
// at least 1" among them.
std::unique_ptr<Communicator> MakeNcclCommunicator(std::unique_ptr<Communicator> bootstrap);

}  // namespace deduce
