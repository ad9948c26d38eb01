// Logical tensors with random bytes, and random ways to spread them over ranks.
#pragma once

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/testing/same_bits.h"
#include "trainer/checkpoint/checkpoint.h"

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

// Up to three runs of columns that are all of a matrix; of other tensors, and now and then, none.
inline std::vector<std::optional<ColumnRange>> RandomColumns(const TensorSlice& tensor,
                                                             std::mt19937_64& random) {
  if (tensor.shape.size() != 2 || tensor.data.numel() == 0 || random() % 2 == 0) return {{}};
  const int64_t width = tensor.shape[1];
  std::set<int64_t> cuts = {0, width};
  for (uint64_t n = random() % 3; n > 0; --n) cuts.insert(random() % width);
  std::vector<std::optional<ColumnRange>> columns;
  for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut)
    columns.push_back(ColumnRange{*cut, *std::next(cut)});
  return columns;
}

// The elements of a whole tensor, or of some of its columns.
inline at::Tensor Elements(const TensorSlice& whole, const std::optional<ColumnRange>& columns) {
  if (!columns) return whole.data;
  return whole.data.view(whole.shape)
      .slice(1, columns->begin, columns->end)
      .contiguous()
      .view({-1});
}

// Cuts each tensor at up to four random places (empty slices included), some after they were cut by
// columns, and gives each piece to a random rank.
inline std::vector<std::vector<TensorSlice>> RandomLayout(const std::vector<TensorSlice>& tensors,
                                                          int num_ranks, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<TensorSlice>> by_rank(num_ranks);
  for (const TensorSlice& tensor : tensors) {
    for (const std::optional<ColumnRange>& columns : RandomColumns(tensor, random)) {
      const at::Tensor data = Elements(tensor, columns);
      const int64_t elements = data.numel();
      std::vector<int64_t> cuts = {0, elements};
      for (uint64_t n = random() % 5; n > 0; --n) cuts.push_back(random() % (elements + 1));
      std::sort(cuts.begin(), cuts.end());
      for (size_t i = 0; i + 1 < cuts.size(); ++i) {
        by_rank[random() % num_ranks].push_back(
            {tensor.name, tensor.shape, cuts[i], data.slice(0, cuts[i], cuts[i + 1]), columns});
      }
    }
  }
  return by_rank;
}

}  // namespace deduce
