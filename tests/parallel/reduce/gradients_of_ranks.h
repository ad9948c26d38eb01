// Gradients of ranks and what they come to, for tests of reducers.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>

#include <algorithm>
#include <vector>

#include "parallel/reduce/gradient_reducer.h"

namespace deduce {

inline constexpr int64_t kGradientElements = 1000;

// So that every order of addition rounds otherwise.
inline at::Tensor GradientOf(int rank) {
  return at::arange(kGradientElements, at::kFloat).add(7 * rank).sin().mul(1 + 100 * rank);
}

// Uneven shards, one of them empty where there are three ranks or more.
inline GradientShares SharesOf(Communicator& holders, bool sharded) {
  GradientShares shares{.holders = &holders,
                        .rows = std::vector<int64_t>(holders.size(), 0),
                        .sharded = sharded,
                        .options = at::kFloat,
                        .in_backward_order = 800};
  shares.rows.front() = 317;
  shares.rows.back() += kGradientElements - 317;
  return shares;
}

// The sum of the first num_present ranks' gradients, or this rank's shard of it.
inline at::Tensor ExpectedSum(const GradientShares& shares, int num_present) {
  std::vector<at::Tensor> parts;
  for (int r = 0; r < num_present; ++r) parts.push_back(GradientOf(r));
  const at::Tensor sum = TreeSum(parts);
  return shares.sharded ? sum.narrow(0, shares.own_begin(), shares.own_size()) : sum;
}

// Every order of additions is within this: n - 1 roundings of no more than the sum of magnitudes.
inline at::Tensor RoundingBound(const GradientShares& shares, int num_present) {
  at::Tensor magnitudes = GradientOf(0).abs();
  for (int r = 1; r < num_present; ++r) magnitudes += GradientOf(r).abs();
  const at::Tensor bound = magnitudes * (0x1p-23 * num_present);
  return shares.sharded ? bound.narrow(0, shares.own_begin(), shares.own_size()) : bound;
}

// Collective. Has a reducer add up the first num_present ranks' gradients.
inline at::Tensor Reduced(GradientReducer& reducer, const GradientShares& shares, int num_present) {
  const int rank = shares.holders->rank();
  const auto sum =
      reducer.Begin(shares, rank < num_present ? GradientOf(rank) : at::Tensor(), num_present);
  sum->Start();
  return sum->Finish();
}

}  // namespace deduce
