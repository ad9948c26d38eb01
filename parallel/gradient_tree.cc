#include "parallel/gradient_tree.h"

#include <ATen/ops/empty_like.h>

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

void GradientTree::Add(const at::Tensor& leaf_gradient_flat) {
  TORCH_CHECK(num_added_ < merges_.size(), "GradientTree::Add: found more than the ",
              merges_.size(), " leaves of this class");
  const at::Tensor leaf = leaf_gradient_flat.detach();
  TORCH_CHECK(partials_.empty() || partials_[0].sizes() == leaf.sizes(),
              "GradientTree::Add: found sizes ", leaf.sizes(),
              ", expected those of the leaves before");
  const int merges = merges_[num_added_++];
  if (merges == 0) {
    if (spare_.empty()) spare_.push_back(at::empty_like(leaf));
    partials_.push_back(std::move(spare_.back()));
    spare_.pop_back();
    partials_.back().copy_(leaf);
    return;
  }
  partials_.back().add_(leaf);
  for (int merge = 1; merge < merges; ++merge) {
    const at::Tensor right = std::move(partials_.back());
    partials_.pop_back();
    partials_.back().add_(right);
    spare_.push_back(right);
  }
}

at::Tensor GradientTree::Finish() {
  TORCH_CHECK(num_added_ == merges_.size(), "GradientTree::Finish: found ", num_added_,
              " leaves, expected ", merges_.size());
  spare_.clear();
  if (partials_.empty()) return at::Tensor();
  at::Tensor sum = std::move(partials_.back());
  partials_.clear();
  return sum;
}

}  // namespace deduce
