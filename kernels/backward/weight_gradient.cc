#include "kernels/backward/weight_gradient.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <cstdint>

namespace deduce {
namespace {

thread_local DeferredWeightGradients* current = nullptr;
thread_local GradientPlaces* current_places = nullptr;

// As new tensors are, so that a product has the same bits there.
constexpr uintptr_t kAlignment = 64;

}  // namespace

DeferredWeightGradients::DeferredWeightGradients() {
  TORCH_CHECK(current == nullptr,
              "DeferredWeightGradients: found one on this thread, expected none");
  current = this;
}

DeferredWeightGradients::~DeferredWeightGradients() {
  current = nullptr;
  TORCH_CHECK(work_.empty(), "DeferredWeightGradients: found ", work_.size(),
              " gradients that nobody took, expected none");
}

GradientPlaces::GradientPlaces() {
  TORCH_CHECK(current_places == nullptr, "GradientPlaces: found one on this thread, expected none");
  current_places = this;
}

GradientPlaces::~GradientPlaces() { current_places = nullptr; }

void GradientPlaces::Add(const at::Tensor& leaf, std::function<at::Tensor()> place) {
  places_.insert_or_assign(leaf.unsafeGetTensorImpl(), std::move(place));
}

at::Tensor GradientMemory(const at::Tensor& weight) {
  if (current_places != nullptr) {
    const auto found = current_places->places_.extract(weight.unsafeGetTensorImpl());
    if (!found.empty()) {
      const at::Tensor place = found.mapped()();
      TORCH_CHECK(place.is_contiguous() && place.numel() == weight.numel() &&
                      place.scalar_type() == weight.scalar_type(),
                  "GradientMemory: found a place of sizes ", place.sizes(), " and type ",
                  place.scalar_type(), ", expected ", weight.sizes(), " of ", weight.scalar_type(),
                  ", contiguous");
      if (reinterpret_cast<uintptr_t>(place.const_data_ptr()) % kAlignment == 0)
        return place.view(weight.sizes());
    }
  }
  return at::empty(weight.sizes(), weight.options());
}

void ComputeWeightGradients(DeferredWeightGradients::Work work) {
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
