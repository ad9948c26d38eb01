#include "kernels/cpu/exact_squares.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <mutex>

namespace deduce::cpu {
namespace {

// Most elements are added in blocks, in doubles and yet exactly, by two running sums in each lane
// (Dekker's FastTwoSum; binned sums as in Demmel and Nguyen 2015):
//
// Let all squares d of a block be below 2^m, and a lane add at most 2^a of them. The first sum
// begins at 2^k, k = m + a + 1, and stays below 2^(k+1): in one binade, whose numbers are multiples
// of g = 2^(k-52). So next = s + d rounds to such a multiple, next - s is exact, and the error
// r = d - (next - s) is at most g / 2 and exact too. The second sum takes these errors in the same
// way: it begins in the middle of a binade that 2^a of them cannot leave. If nothing is left over
// by it, the block's sum is the two sums less what they began with, to the last bit; these few
// doubles are then added in fixed point. If something is left over, because squares differ by more
// than about 2^40, the block is added element by element.
constexpr int64_t kBlock = 2048;
constexpr int kLanes = 4;
constexpr int kVectors = 4;  // sums of which do not wait for each other
constexpr int64_t kStride = kLanes * kVectors;
constexpr int kAddsLog2 = 7;  // a
static_assert(kBlock / kStride == 1 << kAddsLog2);

constexpr int64_t kBlocksBetweenCarries = 1 << 18;  // 2^29 numbers, each below 2^32 in a digit
constexpr int64_t kGrain = 1 << 16;                 // elements that are worth a thread

using Doubles __attribute__((vector_size(8 * kLanes))) = double;
using Bits __attribute__((vector_size(32))) = int32_t;
using Integers __attribute__((vector_size(8 * kLanes))) = int64_t;

// The words of exact_sum.h.
class Digits {
 public:
  // Adds a finite double.
  void Add(double value) {
    uint64_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    int64_t place = static_cast<int64_t>(bits >> 52 & 0x7ff);
    uint64_t mantissa = bits & ((uint64_t{1} << 52) - 1);
    if (place > 0) {
      mantissa |= uint64_t{1} << 52;
      --place;
    }
    const unsigned __int128 shifted = static_cast<unsigned __int128>(mantissa) << (place % 32);
    const int64_t sign = bits >> 63 != 0 ? -1 : 1;
    int64_t* digit = words_ + place / 32;
    digit[0] += sign * static_cast<uint32_t>(shifted);
    digit[1] += sign * static_cast<uint32_t>(shifted >> 32);
    digit[2] += sign * static_cast<int64_t>(shifted >> 64);
  }

  void CountNotFinite() { ++words_[kCount - 1]; }

  void Carry() {
    for (int i = 0; i + 2 < kCount; ++i) {
      const int64_t above = words_[i] >> 32;
      words_[i] -= above * (int64_t{1} << 32);
      words_[i + 1] += above;
    }
  }

  void AddTo(int64_t* words) const {
    for (int i = 0; i < kCount; ++i) words[i] += words_[i];
  }

  static constexpr int kCount = 69;

 private:
  int64_t words_[kCount] = {};
};

void AddEach(const float* values, int64_t count, Digits& digits) {
  for (int64_t i = 0; i < count; ++i) {
    if (std::isfinite(values[i])) {
      digits.Add(static_cast<double>(values[i]) * values[i]);
    } else {
      digits.CountNotFinite();
    }
  }
}

// The exponent of the power of two that all squares are below; of numbers that are not finite, the
// largest there is.
int SquareLimit(int32_t largest_bits) { return 2 * (std::max(largest_bits >> 23, 1) - 126); }
constexpr int kNotFinite = 2 * (255 - 126);

// Adds a whole block if two sums in each lane hold it: its squares are below 2^m, and nothing is
// left over. Else adds nothing. `largest` becomes the bits of the largest magnitude, which order as
// magnitudes do, NaN last.
bool AddBlock(const float* values, int m, Digits& digits, int32_t& largest) {
  const int k = m + kAddsLog2 + 1;
  const double start[2] = {std::ldexp(1.0, k), std::ldexp(1.5, k - 52 + kAddsLog2 + 1)};
  Doubles first[kVectors], second[kVectors];
  for (Doubles& sum : first) sum = Doubles{} + start[0];
  for (Doubles& sum : second) sum = Doubles{} + start[1];
  Integers left_over = {};
  Bits most = {};
  for (int64_t i = 0; i < kBlock; i += kStride) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const float* value = values + i + v * kLanes;
      Doubles rest = {value[0], value[1], value[2], value[3]};
      rest *= rest;
      Doubles next = first[v] + rest;
      rest -= next - first[v];
      first[v] = next;
      next = second[v] + rest;
      rest -= next - second[v];
      second[v] = next;
      left_over |= reinterpret_cast<Integers>(rest);
    }
    Bits bits[kStride * sizeof(float) / sizeof(Bits)];
    std::memcpy(bits, values + i, sizeof(bits));
    for (Bits& some : bits) {
      some &= INT32_MAX;
      most = some > most ? some : most;
    }
  }
  largest = 0;
  for (size_t i = 0; i < sizeof(Bits) / sizeof(int32_t); ++i) largest = std::max(largest, most[i]);
  bool fits = SquareLimit(largest) <= m;
  for (int lane = 0; lane < kLanes; ++lane) fits &= (left_over[lane] & INT64_MAX) == 0;
  if (!fits) return false;
  for (int v = 0; v < kVectors; ++v) {
    for (int lane = 0; lane < kLanes; ++lane) {
      digits.Add(first[v][lane] - start[0]);
      digits.Add(second[v][lane] - start[1]);
    }
  }
  return true;
}

void AddRange(const float* values, int64_t count, Digits& digits) {
  int m = 0;  // that of the block before, which is right or nearly so for most
  int64_t begin = 0;
  for (int64_t blocks = 1; begin + kBlock <= count; begin += kBlock, ++blocks) {
    int32_t largest = 0;
    bool added = AddBlock(values + begin, m, digits, largest);
    const int own = SquareLimit(largest);
    if (!added && own != m && own != kNotFinite)
      added = AddBlock(values + begin, own, digits, largest);
    if (!added) AddEach(values + begin, kBlock, digits);
    if (own != kNotFinite) m = own;
    if (blocks % kBlocksBetweenCarries == 0) digits.Carry();
  }
  AddEach(values + begin, count - begin, digits);
  digits.Carry();
}

}  // namespace

void AddSquares(const at::Tensor& values, at::Tensor& sum) {
  TORCH_CHECK(sum.numel() == Digits::kCount, "AddSquares: found ", sum.numel(), " words, expected ",
              Digits::kCount);
  const at::Tensor flat = values.detach().contiguous();
  const float* data = flat.const_data_ptr<float>();
  int64_t* words = sum.mutable_data_ptr<int64_t>();
  std::mutex mutex;
  at::parallel_for(0, flat.numel(), kGrain, [&](int64_t begin, int64_t end) {
    Digits digits;
    AddRange(data + begin, end - begin, digits);
    const std::lock_guard lock(mutex);
    digits.AddTo(words);
  });
}

}  // namespace deduce::cpu
