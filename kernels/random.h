// Random numbers that are functions of a name: Philox4x32-10 (Salmon et al. 2011). Nothing to save,
// nothing to restore, and who computes a number, or in which order, does not matter.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace deduce {

// The bijection itself, as published (Random123's known-answer vectors hold).
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A 64-bit stream key of a seed and the name of a use ("init", "sample", "corpus" ...), stable
// across machines.
uint64_t RandomStream(uint64_t seed, std::string_view use);

// Two 64-bit words at (a, b) of a stream.
std::array<uint64_t, 2> RandomBits(uint64_t stream, uint64_t a, uint64_t b);

// Uniform in [0, 1) with 53 bits, at (a, b) of a stream.
double RandomUniform(uint64_t stream, uint64_t a, uint64_t b);

// Uniform integer in [0, n), n > 0, at (a, b) of a stream; unbiased to within n / 2^64.
uint64_t RandomInteger(uint64_t stream, uint64_t a, uint64_t b, uint64_t n);

// Fills `out` (contiguous fp32) with normal numbers of mean 0 and the given deviation; element i is
// a function of (stream, i + first) alone, so a slice of a tensor can be made without the rest.
void FillNormal(uint64_t stream, int64_t first, double deviation, at::Tensor& out);

}  // namespace deduce
