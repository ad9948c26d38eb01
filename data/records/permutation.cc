#include "data/records/permutation.h"

#include <utility>

#include "c10/util/Exception.h"
#include "kernels/random.h"

namespace deduce {

uint64_t PermutedIndex(uint64_t stream, uint64_t epoch, uint64_t i, uint64_t n) {
  TORCH_CHECK(i < n, "index ", i, " of ", n);
  constexpr uint64_t kRounds = 4;
  int half_bits = 1;
  while (half_bits < 32 && (uint64_t{1} << (2 * half_bits)) < n) ++half_bits;
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  do {
    uint64_t left = i >> half_bits;
    uint64_t right = i & mask;
    for (uint64_t round = 0; round < kRounds; ++round) {
      const uint64_t mixed = RandomBits(stream, epoch, (round << 32) | right)[0] & mask;
      left ^= mixed;
      std::swap(left, right);
    }
    i = (left << half_bits) | right;
  } while (i >= n);
  return i;
}

}  // namespace deduce
