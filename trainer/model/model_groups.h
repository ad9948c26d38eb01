// The ranks that a model's layers work with.
#pragma once

#include "parallel/communicator/communicator.h"
#include "parallel/rank_groups.h"

namespace deduce {

// Not owned. Null: this rank alone.
struct ModelGroups {
  // One group that routed experts are split over; every token and matrix is this rank's alone.
  ModelGroups(Communicator& experts_in) : experts(&experts_in) {}  // NOLINT: meant to be implicit
  explicit ModelGroups(const RankGroups& groups)
      : experts(groups.experts.get()), context(groups.context.get()), tensor(groups.tensor.get()) {}

  int tensor_rank() const { return tensor ? tensor->rank() : 0; }
  int tensor_ranks() const { return tensor ? tensor->size() : 1; }

  Communicator* experts;
  Communicator* context = nullptr;  // shares every sequence's tokens
  Communicator* tensor = nullptr;   // shares the matrices of attention and dense layers
};

}  // namespace deduce
