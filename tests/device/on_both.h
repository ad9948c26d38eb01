// The same work on the simulated device and on the CPU.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tests/testing/simulated_device.h"
#include "tests/trainer/pipeline_layouts.h"

namespace deduce {

// What numbers (relative to 1 + their size) and weights may differ by after a few steps.
struct Bound {
  double numbers, weights;
};
// In fp64 both compute by the same operators, the device's copied: only the order in which threads
// of the CPU add may differ, and one thread has one.
constexpr Bound kFp64 = {1e-12, 1e-12};
// In fp32 the CPU has forms of its own. A sum's rounding is 1e-7 of its largest term, and AdamW
// divides by the gradient's own size: where terms nearly cancel, that is a share of a step (3e-3),
// of which a tenth is allowed.
constexpr Bound kFp32 = {1e-5, 3e-4};

inline Bound BoundOf(at::ScalarType type) { return type == at::kDouble ? kFp64 : kFp32; }

// Numbers of a run, and the weights this rank has after it.
struct Outcome {
  std::vector<double> numbers;
  std::map<std::string, at::Tensor> weights;  // on the CPU
};

// Collective, as the weights are gathered.
inline void AddWeights(RankModel& model, Outcome& outcome) {
  const WholeWeights whole(model.StoresByStage());
  for (const ModelChunk& chunk : model.chunks()) {
    for (const Parameter& parameter : chunk.model->parameters())
      outcome.weights[parameter.names.front()] = parameter.value.detach().cpu().clone();
    for (const Transformer::Buffer& buffer : chunk.model->buffers())
      outcome.weights[buffer.name] = buffer.value.cpu().clone();
  }
}

// Each number and weight of `device` as on `host`, within the bound.
inline void ExpectEqual(const Outcome& device, const Outcome& host, const Bound& bound) {
  ASSERT_EQ(device.numbers.size(), host.numbers.size());
  ASSERT_EQ(device.weights.size(), host.weights.size());
  double numbers = 0, weights = 0;
  for (size_t i = 0; i < host.numbers.size(); ++i) {
    EXPECT_TRUE(std::isfinite(device.numbers[i])) << "number " << i;
    numbers = std::max(
        numbers, std::abs(device.numbers[i] - host.numbers[i]) / (1 + std::abs(host.numbers[i])));
  }
  for (const auto& [name, weight] : host.weights) {
    const at::Tensor difference = device.weights.at(name).sub(weight).abs();
    if (difference.numel() > 0) weights = std::max(weights, difference.max().item<double>());
  }
  EXPECT_LE(numbers, bound.numbers);
  EXPECT_LE(weights, bound.weights);
  std::printf("    numbers within %.1e, weights within %.1e\n", numbers, weights);
}

}  // namespace deduce
