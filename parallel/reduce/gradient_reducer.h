// How ranks that hold the same weights add up their gradients. One is chosen for a layout, by
// parallel/reduce/make_gradient_reducer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "parallel/communicator/communicator.h"

namespace deduce {

// The ranks that hold a flat buffer of weights, and what each of them keeps of its gradient.
struct GradientShares {
  Communicator* holders = nullptr;  // not owned
  std::vector<int64_t> rows;        // elements of each holder's shard, in order
  bool sharded = true;              // a holder keeps its shard of the sum; else all keep all of it
  at::TensorOptions options;        // of gradients
  // Backward makes elements before this one final from the last to the first, and then the rest.
  int64_t in_backward_order = 0;

  int64_t size() const;
  int64_t own_begin() const;  // of this rank's shard
  int64_t own_size() const { return rows[holders->rank()]; }
};

// The reduction of one gradient over ranks.
class GradientReduction {
 public:
  virtual ~GradientReduction() = default;

  // Elements [begin, end) of the gradient are final, and not said to be so before. May start sums
  // over the holders, in an order that all of them have.
  virtual void MarkFinal(int64_t /*begin*/, int64_t /*end*/) {}

  // Collective over the holders. All elements are final.
  virtual void Start() = 0;

  // Collective over the holders, after Start. The sum: [own_size], or [size] unless sharded. It may
  // lie where the gradient was.
  virtual at::Tensor Finish() = 0;
};

class GradientReducer {
 public:
  virtual ~GradientReducer() = default;

  // Whether sums start before Start, if MarkFinal says so.
  virtual bool starts_early() const { return false; }

  // gradient [size] on the first num_present holders, undefined on the others: they had no
  // micro-batch. It must stay where it is until Finish, which may add up in its memory.
  virtual std::unique_ptr<GradientReduction> Begin(const GradientShares& shares,
                                                   at::Tensor gradient, int num_present) = 0;
};

}  // namespace deduce
