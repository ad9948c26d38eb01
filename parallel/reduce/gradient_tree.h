// The gradient sum over the micro-batches of a step, one leaf at a time: TreeSum without keeping
// all its parts.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace deduce {

// With M micro-batches and R replicas, replica r holds the residue class m = r, r + R, r + 2R, ...
// Where R is a power of two, its sum is the complete subtree T(r, R) of TreeSum, and TreeSum over
// the sums of the classes that are not empty, r = 0 .. min(R, M) - 1, has the bits of TreeSum over
// all M micro-batches. With another R they add up to it in another order.

// The members of the class {m < M : m mod R = residue}, in the depth-first order in which
// GradientTree takes them. Empty if residue >= M. Programming error unless 0 <= residue < R.
std::vector<int64_t> TreeOrder(int64_t num_micro_batches, int64_t residue, int64_t modulus);

// One step's sum of one residue class. Holds at most 1 + log2(M / R) partial sums at a time.
class GradientTree {
 public:
  GradientTree(int64_t num_micro_batches, int64_t residue, int64_t modulus);

  // The gradients of the next micro-batch of TreeOrder: all of the same shape and type, any shape.
  // Takes the tensor, and appends to `free` what it holds no longer.
  void Add(at::Tensor leaf_gradient_flat, std::vector<at::Tensor>& free);

  // Whether the next leaf is the last one.
  bool at_last() const { return num_added_ + 1 == merges_.size(); }

  // The last leaf, of 1-D leaves, whose elements become final a part at a time: returns where the
  // sum of the class will be. Elements [begin, end) of it are there after MergeLast; every element
  // must be merged once before Finish.
  at::Tensor AddLast(at::Tensor leaf_gradient_flat);
  void MergeLast(int64_t begin, int64_t end);

  // The sum of the class once all its leaves are added; undefined if the class is empty. Ends the
  // use of this object.
  at::Tensor Finish();

 private:
  std::vector<int> merges_;  // per leaf in order: how many subtrees end with it
  size_t num_added_ = 0;
  std::vector<at::Tensor> partials_;  // sums of complete subtrees, outermost first
};

}  // namespace deduce
