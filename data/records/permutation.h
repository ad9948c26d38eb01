// A named permutation of [0, n), one element at a time: the order of an epoch without a table.
#pragma once

#include <cstdint>

namespace deduce {

// Where element `i` of [0, n) goes in permutation number `epoch` of a random stream
// (kernels/random.h). For fixed (stream, epoch, n) a bijection of [0, n). A four-round Feistel
// network over the next even power of two, walked until it lands inside (Black and Rogaway 2002). 0
// <= i < n, else TORCH_CHECK.
uint64_t PermutedIndex(uint64_t stream, uint64_t epoch, uint64_t i, uint64_t n);

}  // namespace deduce
