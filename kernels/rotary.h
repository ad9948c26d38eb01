// Rotary position embedding (Su et al. 2021) with the scalings of published models: YaRN (Peng et
// al. 2023) as DeepSeek-V3 applies it, Llama 3.1's, and linear.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace deduce {

struct YarnOptions {
  double factor = 1;  // 1: no scaling
  int64_t original_max_positions = 4096;
  double beta_fast = 32;
  double beta_slow = 1;
  double mscale = 1;
  double mscale_all_dim = 1;
  double attention_factor = 0;  // of cosines and sines; 0: from both mscales
};

struct Llama3RotaryOptions {
  double factor = 1;  // 1: no scaling
  double low_freq_factor = 1;
  double high_freq_factor = 4;
  int64_t original_max_positions = 8192;
};

struct RotaryOptions {
  int64_t dim = 0;  // rotated width, even
  double theta = 10000;
  YarnOptions yarn;
  Llama3RotaryOptions llama3 = {};
  double linear_factor = 1;  // every frequency is divided by it
};

// Inverse frequencies [dim / 2], fp32. With YaRN (factor > 1) those between beta_fast and beta_slow
// turns in the original context are ramped from unscaled to divided by factor; with Llama 3's those
// between high_freq_factor and low_freq_factor turns, by a mean weighted by the turns.
at::Tensor RotaryInverseFrequencies(const RotaryOptions& options);

// YaRN's attention factor: 0.1 * mscale * ln(factor) + 1 for factor > 1, else 1. DeepSeek-V3
// multiplies the softmax scale by its square (with mscale_all_dim) and the cosines and sines by the
// quotient of both.
double YarnMscale(double factor, double mscale);

// Cosines and sines of every position, [max_positions, dim / 2] fp32 each.
struct RotaryTable {
  at::Tensor cos_pk;
  at::Tensor sin_pk;

  RotaryTable To(const at::Device& device) const;
};
RotaryTable MakeRotaryTable(const RotaryOptions& options, int64_t max_positions);

enum class RotaryPairing {
  kHalves,       // element i turns with i + dim / 2 (Llama)
  kInterleaved,  // element 2i turns with 2i + 1; the result is laid out in halves, as DeepSeek-V3's
                 // code leaves it
};

// x_thk [t, heads, dim], positions_t int64 [t] -> rotated, same shape. Differentiable in x.
// All on one device. Positions on the CPU are checked: one outside the table throws c10::Error with
// its value. On a device a check would wait for it, so whoever moves a batch there checks it first.
at::Tensor ApplyRotary(const at::Tensor& x_thk, const at::Tensor& positions_t,
                       const RotaryTable& table, RotaryPairing pairing);

}  // namespace deduce
