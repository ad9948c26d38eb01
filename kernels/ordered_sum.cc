#include "kernels/ordered_sum.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

namespace deduce {
namespace {

bool HasOrderedForm(const at::Tensor& values_n) {
  const at::ScalarType type = values_n.scalar_type();
  return values_n.is_cpu() && (type == at::kFloat || type == at::kDouble);
}

// mask: null for all.
template <typename Float>
double SumInOrder(const Float* values, const bool* mask, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (mask == nullptr || mask[i]) sum += static_cast<double>(values[i]);
  }
  return sum;
}

at::Tensor SumOnCpu(const at::Tensor& values_n, const bool* mask) {
  const at::Tensor contiguous_n = values_n.contiguous();
  double sum = 0;
  AT_DISPATCH_FLOATING_TYPES(contiguous_n.scalar_type(), "OrderedSum", [&] {
    sum = SumInOrder(contiguous_n.const_data_ptr<scalar_t>(), mask, contiguous_n.numel());
  });
  return at::scalar_tensor(sum, contiguous_n.options().dtype(at::kDouble));
}

}  // namespace

at::Tensor OrderedSum(const at::Tensor& values_n) {
  const at::Tensor detached_n = values_n.detach();
  if (!HasOrderedForm(detached_n)) return at::sum(detached_n.to(at::kDouble));
  return SumOnCpu(detached_n, nullptr);
}

at::Tensor MaskedSum(const at::Tensor& values_n, const at::Tensor& mask_n) {
  TORCH_CHECK(values_n.sizes() == mask_n.sizes(), "MaskedSum: found values ", values_n.sizes(),
              " and mask ", mask_n.sizes(), ", expected equal sizes");
  const at::Tensor detached_n = values_n.detach();
  const at::Tensor chosen_n = mask_n.ne(0).contiguous();
  if (!HasOrderedForm(detached_n)) {
    const at::Tensor double_n = detached_n.to(at::kDouble);
    return at::sum(at::where(chosen_n, double_n, at::zeros_like(double_n)));
  }
  return SumOnCpu(detached_n, chosen_n.const_data_ptr<bool>());
}

}  // namespace deduce
