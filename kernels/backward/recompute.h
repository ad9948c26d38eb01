// Activations that backward computes again instead of keeping them.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace deduce {

// function(x), keeping x alone for backward, which calls `function` a second time, with a graph,
// and adds the gradients of the leaves that it reads to theirs. The function must give the same
// bits both times, use x once (the sum of x's gradients is otherwise taken in another order), and
// own what it reads. Gradients have the bits of a graph that keeps everything. Without gradients it
// is called once; under gradients x must need one, else c10::Error.
at::Tensor Recomputed(const at::Tensor& x,
                      const std::function<at::Tensor(const at::Tensor& x)>& function);

}  // namespace deduce
