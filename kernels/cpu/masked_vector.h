// Walking a row in vectors of which the last is masked: every element takes the vector path, so its
// rounding does not depend on where it lies (ATen's flat loops end in a scalar path with other
// rounding).
#pragma once

#include <ATen/cpu/vec/functional.h>
#include <ATen/cpu/vec/vec.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace deduce {

// Elements worth a thread of their own in work that goes through memory once.
inline constexpr int64_t kElementsPerThread = 8192;

using FloatVector = at::vec::Vectorized<float>;
inline constexpr int64_t kLanes = FloatVector::size();

// The `count` floats at `from`; lanes beyond are `fill`.
inline FloatVector LoadMasked(const float* from, int64_t count, float fill = 0) {
  if (count >= kLanes) return FloatVector::loadu(from);
  return FloatVector::set(FloatVector(fill), FloatVector::loadu(from, count), count);
}

inline void StoreMasked(const FloatVector& vector, float* to, int64_t count) {
  vector.store(to, static_cast<int>(std::min(count, kLanes)));
}

// Calls body(offset, count) for the vectors of a row of n elements; count is kLanes but for the
// last.
template <typename Body>
inline void ForEachVector(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, kLanes);
  if (i < n) body(i, n - i);
}

// body(0) ... body(kCount - 1) with constant arguments, so that an array indexed by them stays in
// registers.
template <int kCount, typename Body>
inline void Unroll(const Body& body) {
  [&]<int... i>(std::integer_sequence<int, i...>) { (body(i), ...); }
  (std::make_integer_sequence<int, kCount>{});
}

// Sum and maximum over the lanes, in a fixed tree.
inline float SumLanes(const FloatVector& vector) {
  return at::vec::vec_reduce_all<float>([](FloatVector& a, FloatVector& b) { return a + b; },
                                        vector);
}
inline float MaxLanes(const FloatVector& vector) {
  return at::vec::vec_reduce_all<float>(
      [](FloatVector& a, FloatVector& b) { return at::vec::maximum(a, b); }, vector);
}

inline FloatVector Sigmoid(const FloatVector& x) {
  const FloatVector one(1.0f);
  return one / (one + x.neg().exp());
}

}  // namespace deduce
