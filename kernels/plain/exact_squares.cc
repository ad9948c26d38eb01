#include "kernels/plain/exact_squares.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bitwise_left_shift.h>
#include <ATen/ops/bitwise_right_shift.h>
#include <ATen/ops/floor_divide.h>
#include <ATen/ops/frexp.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace deduce::plain {
namespace {

constexpr int64_t kSlice = 1 << 22;  // elements at a time: there are a dozen tensors of their size
constexpr int64_t kDigitBits = 32;
constexpr int64_t kDigitMask = (int64_t{1} << kDigitBits) - 1;

// Moves the bits above a digit's lowest 32 to the next one: no digit grows as numbers are added.
void Carry(at::Tensor& digits) {
  const int64_t lower = digits.numel() - 1;
  const at::Tensor above = at::bitwise_right_shift(digits.narrow(0, 0, lower), kDigitBits);
  digits.narrow(0, 0, lower).sub_(at::bitwise_left_shift(above, kDigitBits));
  digits.narrow(0, 1, lower).add_(above);
}

void AddSlice(const at::Tensor& values, at::Tensor& digits, at::Tensor& not_finite) {
  const at::Tensor exact = values.to(at::kDouble);
  at::Tensor squares = exact * exact;
  const at::Tensor finite = at::isfinite(squares);
  not_finite.add_(finite.logical_not().sum());
  squares = squares.where(finite, at::zeros_like(squares));
  const auto [fraction, exponent] = at::frexp(squares);  // in [0.5, 1), times 2^exponent
  at::Tensor mantissa = (fraction * 0x1p53).to(at::kLong);
  // The place of the mantissa's lowest bit. Below zero, those bits of a tiny double are zeros.
  at::Tensor place = exponent.to(at::kLong) + (1074 - 53);
  mantissa = at::bitwise_right_shift(mantissa, place.neg().clamp_min(0));
  place = place.clamp_min(0);
  const at::Tensor digit = at::floor_divide(place, kDigitBits);
  const at::Tensor shift = place - digit * kDigitBits;
  const at::Tensor low = at::bitwise_left_shift(mantissa.bitwise_and(kDigitMask), shift);
  const at::Tensor high =
      at::bitwise_left_shift(at::bitwise_right_shift(mantissa, kDigitBits), shift);
  digits.index_add_(0, digit, low.bitwise_and(kDigitMask));
  digits.index_add_(0, digit + 1,
                    at::bitwise_right_shift(low, kDigitBits) + high.bitwise_and(kDigitMask));
  digits.index_add_(0, digit + 2, at::bitwise_right_shift(high, kDigitBits));
  Carry(digits);
}

}  // namespace

void AddSquares(const at::Tensor& values, at::Tensor& sum) {
  const c10::NoGradGuard no_grad;
  const at::Tensor flat = values.detach().reshape({-1});
  at::Tensor digits = sum.narrow(0, 0, sum.numel() - 1);
  at::Tensor not_finite = sum[sum.numel() - 1];
  for (int64_t begin = 0; begin < flat.numel(); begin += kSlice) {
    AddSlice(flat.narrow(0, begin, std::min(kSlice, flat.numel() - begin)), digits, not_finite);
  }
}

}  // namespace deduce::plain
