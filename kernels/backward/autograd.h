// When a kernel has to record a gradient: only then does it pay for an autograd node.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

namespace deduce {

// Inside a kernel the ATen calls below need no autograd bookkeeping, and their slices must not
// become autograd views.
using BelowAutograd = at::AutoDispatchBelowADInplaceOrView;

// Whether any of the tensors needs a gradient in the current mode.
template <typename... Tensors>
bool WantsGradient(const Tensors&... tensors) {
  return at::GradMode::is_enabled() && (tensors.requires_grad() || ...);
}

}  // namespace deduce
