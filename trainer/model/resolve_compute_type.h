// In which type a run's matrix products are computed.
#pragma once

#include <c10/core/Device.h>

#include <string>

#include "configs/model.pb.h"
#include "parallel/communicator/communicator.h"

namespace deduce {

// Collective over the world. Where config.compute is bf16_where_native: makes it bf16 if the CPUs
// of all ranks multiply bf16 numbers, else fp32. Returns one line that says what was chosen and
// why.
std::string ResolveComputeType(ModelConfig& config, const c10::Device& device, Communicator& world);

}  // namespace deduce
