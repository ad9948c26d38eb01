#include "trainer/model/resolve_compute_type.h"

#include <algorithm>
#include <vector>

#include "kernels/matmul.h"

namespace deduce {
namespace {

bool AllRanksGainFromBfloat16(const c10::Device& device, Communicator& world) {
  const std::vector<std::string> answers =
      world.AllGatherBytes(GainsFromBfloat16(device) ? "y" : "n");
  return std::all_of(answers.begin(), answers.end(),
                     [](const std::string& answer) { return answer == "y"; });
}

}  // namespace

std::string ResolveComputeType(ModelConfig& config, const c10::Device& device,
                               Communicator& world) {
  const bool native = AllRanksGainFromBfloat16(device, world);
  const bool asked = config.compute() == ModelConfig::bf16_where_native;
  if (asked) config.set_compute(native ? ModelConfig::bf16 : ModelConfig::fp32);
  const std::string without = !device.is_cpu() ? "there is no quick form of them on " + device.str()
                              : world.size() == 1 ? "this CPU has neither AVX512-BF16 nor AMX"
                                                  : "not all ranks' CPUs have AVX512-BF16 or AMX";
  if (config.compute() == ModelConfig::fp32)
    return asked ? "compute: fp32, as " + without : "compute: fp32, as asked";
  if (native) return "compute: products of bf16 on AVX512-BF16 or AMX, all else in fp32";
  return "compute: products of bf16 by conversion, without gain, as " + without;
}

}  // namespace deduce
