// Exact sums of squares by arithmetic on a long number with every carry made, for tests of the ones
// with digits.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace deduce {

// Floats of either sign whose binary exponents are even between -spread and spread.
inline at::Tensor SpreadFloats(int64_t count, int spread, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> mantissa(1, 2);
  std::uniform_int_distribution<int> exponent(-spread, spread);
  at::Tensor values = at::empty({count}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    const int power = std::min(exponent(random), 127);
    const float value = std::ldexp(mantissa(random), power);  // below 2^-126: a denormal, or zero
    values.data_ptr<float>()[i] = random() % 2 == 0 ? value : -value;
  }
  return values;
}

// The sum of squares of fp32 numbers, rounded once. Bytes of a long number, byte i of weight
// 2^(8 i - 304): a number's square is its mantissa's, 48 bits, and every carry is made at once.
inline double ExactSquareSum(const at::Tensor& values) {
  constexpr int64_t kLowest = 304;
  std::vector<uint8_t> bytes(100, 0);
  for (int64_t i = 0; i < values.numel(); ++i) {
    int exponent;
    const double value = values.data_ptr<float>()[i];
    const auto mantissa =
        static_cast<uint64_t>(std::ldexp(std::frexp(std::abs(value), &exponent), 24));
    // value = mantissa 2^(exponent - 24); a denormal has zeros at its end.
    uint64_t square = mantissa * mantissa;
    int64_t place = 2 * (int64_t{exponent} - 24) + kLowest;
    for (; place < 0; ++place) square >>= 1;
    square <<= place % 8;
    uint64_t carry = 0;
    for (int64_t at = place / 8; square != 0 || carry != 0; ++at, square >>= 8) {
      carry += bytes[at] + (square & 0xff);
      bytes[at] = static_cast<uint8_t>(carry);
      carry >>= 8;
    }
  }
  const auto bit = [&](int64_t i) { return i >= 0 && (bytes[i / 8] >> (i % 8) & 1) != 0; };
  int64_t top = 8 * static_cast<int64_t>(bytes.size()) - 1;
  while (top >= 0 && !bit(top)) --top;
  if (top < 0) return 0;
  uint64_t leading = 0;  // 53 bits
  for (int64_t i = top; i > top - 53; --i) leading = leading << 1 | (bit(i) ? 1 : 0);
  bool more = false;
  for (int64_t i = top - 54; i >= 0; --i) more = more || bit(i);
  if (bit(top - 53) && (more || leading % 2 == 1)) ++leading;
  return std::ldexp(static_cast<double>(leading), static_cast<int>(top - 52 - kLowest));
}

}  // namespace deduce
