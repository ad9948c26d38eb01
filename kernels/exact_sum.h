// Sums of squares that are never rounded: a fixed-point number so wide that it holds any of them.
// Integers add up to the same in every order, so the sum does not depend on who added what first,
// and ranks add theirs by an AllReduce of a few hundred bytes.
//
// The number has digits of 32 bits; digit i weighs 2^(32 i - 1074), so that the lowest bit is that
// of the smallest double and 68 digits hold 2^64 of the largest. A digit lies in 64 bits, which
// leaves room for carries that have not been made: sums of up to 2^29 numbers can be added digit by
// digit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace deduce {

inline constexpr int64_t kExactSumDigits = 68;
// Behind the digits: how many of the numbers were not finite.
inline constexpr int64_t kExactSumWords = kExactSumDigits + 1;

// Zero: int64 [kExactSumWords].
at::Tensor ZeroExactSum(at::Device device);

// Adds the squares of values (any shape, on the device of `sum`). Squares of fp32 and of smaller
// types are exact; those of fp64 are first rounded to fp64, each by itself.
void AddSquares(const at::Tensor& values, at::Tensor& sum);

// The sum of such numbers, rounded once, to the nearest double; NaN if one of them was not finite.
double ExactSumValue(const at::Tensor& sum);

}  // namespace deduce
