// A device of LibTorch that is not there, for tests of what runs on devices: its memory is closed
// to the host, and it computes by the CPU's operators.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>

namespace deduce {

// Registers the device with LibTorch, once a process, under the name "simulated". Reading or
// writing a tensor there by its address ends the program (SIGSEGV); an operator that is given
// tensors of host and device, or an autograd function that mixes them, throws c10::Error, as CUDA
// would have it, where only numbers (tensors without dimensions) may come from the host. Safe to
// use from several threads.
c10::Device SimulatedDevice();

// How often each operator fell back to the CPU's so far.
std::map<std::string, int64_t> SimulatedCalls();

// How often numbers were read from it (Tensor::item, or the length of a result that depends on
// numbers, as nonzero's), and tensors copied from it to the host: each of them would wait for a
// real device.
struct HostReads {
  int64_t numbers = 0, tensors = 0;
};
HostReads SimulatedHostReads();

}  // namespace deduce
