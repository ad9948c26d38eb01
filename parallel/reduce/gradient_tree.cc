#include "parallel/reduce/gradient_tree.h"

#include <utility>

namespace deduce {
namespace {

struct Leaf {
  int64_t index;
  int merges;  // inner nodes whose last leaf this is
};

// Appends the leaves of T(r, q) (TreeSum's comment) in depth-first order.
void AppendSubtree(int64_t num_leaves, int64_t r, int64_t q, std::vector<Leaf>& leaves) {
  if (r + q >= num_leaves) {
    leaves.push_back({r, 0});
    return;
  }
  AppendSubtree(num_leaves, r, 2 * q, leaves);
  AppendSubtree(num_leaves, r + q, 2 * q, leaves);
  ++leaves.back().merges;
}

std::vector<Leaf> ClassLeaves(int64_t num_micro_batches, int64_t residue, int64_t modulus) {
  TORCH_CHECK(modulus > 0 && residue >= 0 && residue < modulus, "gradient tree: found residue ",
              residue, ", expected one below ", modulus);
  std::vector<Leaf> leaves;
  if (residue < num_micro_batches) AppendSubtree(num_micro_batches, residue, modulus, leaves);
  return leaves;
}

}  // namespace

std::vector<int64_t> TreeOrder(int64_t num_micro_batches, int64_t residue, int64_t modulus) {
  std::vector<int64_t> order;
  for (const Leaf& leaf : ClassLeaves(num_micro_batches, residue, modulus))
    order.push_back(leaf.index);
  return order;
}

GradientTree::GradientTree(int64_t num_micro_batches, int64_t residue, int64_t modulus) {
  for (const Leaf& leaf : ClassLeaves(num_micro_batches, residue, modulus))
    merges_.push_back(leaf.merges);
}

void GradientTree::Add(at::Tensor leaf_gradient_flat, std::vector<at::Tensor>& free) {
  TORCH_CHECK(num_added_ < merges_.size(), "GradientTree::Add: found more than the ",
              merges_.size(), " leaves of this class");
  TORCH_CHECK(partials_.empty() || partials_[0].sizes() == leaf_gradient_flat.sizes(),
              "GradientTree::Add: found sizes ", leaf_gradient_flat.sizes(),
              ", expected those of the leaves before");
  partials_.push_back(std::move(leaf_gradient_flat));
  for (int merges = merges_[num_added_++]; merges > 0; --merges) {
    free.push_back(std::move(partials_.back()));
    partials_.pop_back();
    partials_.back().add_(free.back());
  }
}

at::Tensor GradientTree::AddLast(at::Tensor leaf_gradient_flat) {
  TORCH_CHECK(at_last(), "GradientTree::AddLast: found ", num_added_, " of ", merges_.size(),
              " leaves added, expected all but one");
  ++num_added_;
  partials_.push_back(std::move(leaf_gradient_flat));
  return partials_.front();
}

// The last leaf ends every subtree, so that all partial sums meet.
void GradientTree::MergeLast(int64_t begin, int64_t end) {
  for (size_t i = partials_.size() - 1; i > 0; --i)
    partials_[i - 1].narrow(0, begin, end - begin).add_(partials_[i].narrow(0, begin, end - begin));
}

at::Tensor GradientTree::Finish() {
  TORCH_CHECK(num_added_ == merges_.size(), "GradientTree::Finish: found ", num_added_,
              " leaves, expected ", merges_.size());
  if (partials_.empty()) return at::Tensor();
  at::Tensor sum = std::move(partials_.front());  // with AddLast, the merged ones are still behind
  partials_.clear();
  return sum;
}

}  // namespace deduce
