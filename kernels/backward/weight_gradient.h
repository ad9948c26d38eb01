// Weight gradients apart from input gradients. A stage of a pipeline waits for the input gradient
// of the one behind it and for nothing else, so a zero-bubble schedule (arXiv 2401.10241) computes
// the weights' later.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace deduce {

// While one lives, the backward of kernels on this thread leaves the gradients of their weights
// here, together with what these are computed from. One at a time a thread, else c10::Error.
class DeferredWeightGradients {
 public:
  DeferredWeightGradients();
  // Nothing may be left: c10::Error would be thrown by a destructor, so it ends the program.
  ~DeferredWeightGradients();
  DeferredWeightGradients(const DeferredWeightGradients&) = delete;
  DeferredWeightGradients& operator=(const DeferredWeightGradients&) = delete;

  // The work put off so far; ComputeWeightGradients does it, now or after this object's end.
  using Work = std::vector<std::pair<at::Tensor, std::function<at::Tensor()>>>;
  Work Take() { return std::move(work_); }

 private:
  friend at::Tensor WeightGradient(const at::Tensor&, std::function<at::Tensor()>);
  Work work_;
};

// While one lives, the backward of kernels on this thread puts the gradients of these leaves where
// they are collected, which saves a second copy of all of them. Only the first gradient of a leaf
// goes there: another would overwrite what it has to be added to. One at a time a thread, else
// c10::Error.
class GradientPlaces {
 public:
  GradientPlaces();
  ~GradientPlaces();
  GradientPlaces(const GradientPlaces&) = delete;
  GradientPlaces& operator=(const GradientPlaces&) = delete;

  // place: asked when the leaf's gradient is computed, if ever. Contiguous, as many elements as the
  // leaf, of its type; anything may be in it.
  void Add(const at::Tensor& leaf, std::function<at::Tensor()> place);

 private:
  friend at::Tensor GradientMemory(const at::Tensor&);
  std::unordered_map<const at::TensorImpl*, std::function<at::Tensor()>> places_;
};

// Memory for the gradient of `weight`, of its sizes, whatever is in it: its place, or new. Called
// where the gradient is computed.
at::Tensor GradientMemory(const at::Tensor& weight);

// Adds every gradient to its leaf's, in the order in which backward came to them: the bits that
// backward itself would have given.
void ComputeWeightGradients(DeferredWeightGradients::Work work);

// For the backward of a kernel: the gradient of `weight`, or, where it is put off, an undefined
// tensor. `gradient` must own what it reads. The gradient of a weight that is no leaf is never put
// off, as others wait for it.
at::Tensor WeightGradient(const at::Tensor& weight, std::function<at::Tensor()> gradient);

}  // namespace deduce
