// Logical tensors with random bytes, and random ways to spread them over ranks.
#pragma once

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/testing/same_bits.h"
#include "trainer/checkpoint.h"

namespace deduce {

// Whole tensors (begin 0) of several types and shapes, an empty one and a scalar among them.
inline std::vector<TensorSlice> RandomTensors(uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::pair<at::ScalarType, std::vector<int64_t>> kinds[] = {
      {at::kFloat, {13, 7}}, {at::kBFloat16, {9}}, {at::kLong, {}},
      {at::kFloat, {0, 3}},  {at::kByte, {101}},   {at::kDouble, {2, 3, 4}}};
  std::vector<TensorSlice> tensors;
  for (const auto& [dtype, shape] : kinds) {
    int64_t elements = 1;
    for (const int64_t size : shape) elements *= size;
    const at::Tensor data = at::empty({elements}, dtype);
    auto* bytes = static_cast<uint8_t*>(data.mutable_data_ptr());
    for (size_t i = 0; i < data.nbytes(); ++i) bytes[i] = static_cast<uint8_t>(random());
    tensors.push_back({"layers." + std::to_string(tensors.size()) + ".weight", shape, 0, data});
  }
  return tensors;
}

// Cuts each tensor at up to four random places (empty slices included) and gives each piece to a
// random rank.
inline std::vector<std::vector<TensorSlice>> RandomLayout(const std::vector<TensorSlice>& tensors,
                                                          int num_ranks, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<TensorSlice>> by_rank(num_ranks);
  for (const TensorSlice& tensor : tensors) {
    const int64_t elements = tensor.data.numel();
    std::vector<int64_t> cuts = {0, elements};
    for (uint64_t n = random() % 5; n > 0; --n) cuts.push_back(random() % (elements + 1));
    std::sort(cuts.begin(), cuts.end());
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      by_rank[random() % num_ranks].push_back(
          {tensor.name, tensor.shape, cuts[i], tensor.data.slice(0, cuts[i], cuts[i + 1])});
    }
  }
  return by_rank;
}

}  // namespace deduce
