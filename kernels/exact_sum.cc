#include "kernels/exact_sum.h"

#include <ATen/ops/zeros.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/exact_squares.h"
#include "kernels/plain/exact_squares.h"

namespace deduce {

at::Tensor ZeroExactSum(at::Device device) {
  return at::zeros({kExactSumWords}, at::TensorOptions(at::kLong).device(device));
}

void AddSquares(const at::Tensor& values, at::Tensor& sum) {
  TORCH_CHECK(sum.scalar_type() == at::kLong && sum.sizes() == at::IntArrayRef{kExactSumWords},
              "AddSquares: found a sum of type ", sum.scalar_type(), " and sizes ", sum.sizes(),
              ", expected Long [", kExactSumWords, "]");
  if (values.is_cpu() && values.scalar_type() == at::kFloat) return cpu::AddSquares(values, sum);
  plain::AddSquares(values, sum);
}

double ExactSumValue(const at::Tensor& sum) {
  const at::Tensor words = sum.cpu().contiguous();
  const int64_t* digits = words.const_data_ptr<int64_t>();
  if (digits[kExactSumDigits] != 0) return std::numeric_limits<double>::quiet_NaN();
  uint64_t carried[kExactSumDigits];
  int64_t carry = 0;
  for (int64_t i = 0; i < kExactSumDigits; ++i) {
    carry += digits[i];
    carried[i] = static_cast<uint32_t>(carry);
    carry >>= 32;
  }
  TORCH_CHECK(carry == 0, "ExactSumValue: found a carry of ", carry, ", expected a sum of squares");
  int64_t top = kExactSumDigits - 1;
  while (top > 0 && carried[top] == 0) --top;
  if (top < 2) {
    const auto low = static_cast<double>(carried[0] | carried[1] << 32);  // of 2^-1074: a few bits
    return std::ldexp(low, -1074);
  }
  // Three digits have at least 65 bits. All that is below them decides a tie alone, as one bit
  // more.
  unsigned __int128 leading = 0;
  for (int64_t i = top; i > top - 3; --i) leading = leading << 32 | carried[i];
  for (int64_t i = top - 3; i >= 0; --i) leading |= carried[i] != 0;
  return std::ldexp(static_cast<double>(leading), static_cast<int>(32 * (top - 2) - 1074));
}

}  // namespace deduce
