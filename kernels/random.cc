#include "kernels/random.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <numbers>

namespace deduce {
namespace {

// The high 64 bits of a product.
uint64_t MultiplyHigh(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(a) * b) >> 64);
}

uint32_t Low(uint64_t word) { return static_cast<uint32_t>(word); }
uint32_t High(uint64_t word) { return static_cast<uint32_t>(word >> 32); }
uint64_t Join(uint32_t low, uint32_t high) { return static_cast<uint64_t>(high) << 32 | low; }

double ToUnitInterval(uint64_t word) { return static_cast<double>(word >> 11) * 0x1p-53; }

constexpr uint64_t kNormalCounter =
    0x6e6f726d616c;  // keeps normal numbers apart from RandomBits at (i, 0)

}  // namespace

std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {High(product1) ^ counter[1] ^ key[0], Low(product1),
               High(product0) ^ counter[3] ^ key[1], Low(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

uint64_t RandomStream(uint64_t seed, std::string_view use) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : use) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return RandomBits(seed, hash, use.size())[0];
}

std::array<uint64_t, 2> RandomBits(uint64_t stream, uint64_t a, uint64_t b) {
  const auto words = Philox4x32({Low(a), High(a), Low(b), High(b)}, {Low(stream), High(stream)});
  return {Join(words[0], words[1]), Join(words[2], words[3])};
}

double RandomUniform(uint64_t stream, uint64_t a, uint64_t b) {
  return ToUnitInterval(RandomBits(stream, a, b)[0]);
}

uint64_t RandomInteger(uint64_t stream, uint64_t a, uint64_t b, uint64_t n) {
  TORCH_CHECK(n > 0, "RandomInteger: found n = 0, expected at least 1");
  return MultiplyHigh(RandomBits(stream, a, b)[0], n);
}

void FillNormal(uint64_t stream, int64_t first, double deviation, at::Tensor& out) {
  TORCH_CHECK(out.scalar_type() == at::kFloat && out.is_contiguous(), "FillNormal: found ",
              out.scalar_type(), " with strides ", out.strides(), ", expected contiguous fp32");
  float* data = out.data_ptr<float>();
  at::parallel_for(0, out.numel(), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto bits = RandomBits(stream, static_cast<uint64_t>(first + i), kNormalCounter);
      // Box-Muller with the first uniform in (0, 1].
      const double radius = std::sqrt(-2 * std::log(ToUnitInterval(bits[0]) + 0x1p-53));
      const double angle = 2 * std::numbers::pi * ToUnitInterval(bits[1]);
      data[i] = static_cast<float>(deviation * radius * std::cos(angle));
    }
  });
}

}  // namespace deduce
