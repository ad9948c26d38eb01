// Tensors of a device over a transport that moves the host's memory.
#pragma once

#include <memory>

#include "parallel/communicator/communicator.h"

namespace deduce {

// Tensors of any device are copied to the host, moved by `transport`, and copied back, so that
// every device of LibTorch works on several ranks; those on the CPU go as they are. Slow where a
// transport of the device's own exists, but with the transport's bits. A received tensor is
// written, and its device waited for, in Wait.
std::unique_ptr<Communicator> MakeStagedCommunicator(std::unique_ptr<Communicator> transport);

}  // namespace deduce
