#include "kernels/weight_gradient.h"

#include <ATen/core/grad_mode.h>

namespace deduce {
namespace {

thread_local PutOffWeightGradients* current = nullptr;

}  // namespace

PutOffWeightGradients::PutOffWeightGradients() {
  TORCH_CHECK(current == nullptr, "PutOffWeightGradients: found one on this thread, expected none");
  current = this;
}

PutOffWeightGradients::~PutOffWeightGradients() {
  current = nullptr;
  TORCH_CHECK(work_.empty(), "PutOffWeightGradients: found ", work_.size(),
              " gradients that nobody took, expected none");
}

void ComputeWeightGradients(PutOffWeightGradients::Work work) {
  const at::NoGradGuard no_grad;
  for (auto& entry : work) {
    at::Tensor gradient = std::exchange(entry.second, nullptr)();  // frees what it reads
    at::Tensor& sum = entry.first.mutable_grad();
    if (sum.defined()) {
      sum.add_(gradient);
    } else {
      sum = std::move(gradient);
    }
  }
}

at::Tensor WeightGradient(const at::Tensor& weight, std::function<at::Tensor()> gradient) {
  if (current == nullptr || !weight.is_leaf()) return gradient();
  current->work_.emplace_back(weight, std::move(gradient));
  return {};
}

}  // namespace deduce
