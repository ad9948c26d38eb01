#include "kernels/tensor_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace deduce {
namespace {

constexpr size_t kMega = size_t{1} << 20;

TEST(TensorMemoryTest, ABlockThatCameBackServesAboutItsSize) {
  TensorMemory memory;
  void* const first = memory.allocate(16 * kMega).get();
  EXPECT_EQ(memory.allocate(15 * kMega).get(), first);
  EXPECT_EQ(memory.held_bytes(), 16 * kMega);
}

TEST(TensorMemoryTest, HoldsNoMoreThanWasInUseAtOnce) {
  TensorMemory memory;
  { const c10::DataPtr a = memory.allocate(4 * kMega), b = memory.allocate(3 * kMega); }
  EXPECT_EQ(memory.held_bytes(), 7 * kMega);
  const c10::DataPtr large = memory.allocate(6 * kMega);  // fits neither
  EXPECT_LE(memory.held_bytes(), 7 * kMega);
}

TEST(TensorMemoryTest, KeepsWhatOthersNeedNotGiveBack) {
  TensorMemory memory;
  { const c10::DataPtr most = memory.allocate(32 * kMega); }
  { const c10::DataPtr a = memory.allocate(8 * kMega); }  // in place of the large one
  const c10::DataPtr b = memory.allocate(2 * kMega);
  EXPECT_EQ(memory.held_bytes(), 10 * kMega);
}

TEST(TensorMemoryTest, BlocksAreApartAndAligned) {
  TensorMemory memory;
  std::vector<c10::DataPtr> blocks;
  for (const size_t size : {size_t{0}, size_t{1}, kMega - 1, kMega, kMega + 1, 3 * kMega}) {
    blocks.push_back(memory.allocate(size));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.back().get()) % 64, 0U);
    if (size > 0) std::memset(blocks.back().get(), static_cast<int>(blocks.size()), size);
  }
  EXPECT_EQ(static_cast<const char*>(blocks[3].get())[kMega - 1], 4);
  EXPECT_EQ(static_cast<const char*>(blocks[5].get())[0], 6);
}

TEST(TensorMemoryTest, SaysWhatItDidNotGet) {
  TensorMemory memory;
  EXPECT_THROW(memory.allocate(size_t{1} << 60), c10::Error);
}

TEST(TensorMemoryTest, ThreadsShareIt) {
  TensorMemory memory;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&memory, t] {
      for (int i = 0; i < 100; ++i) {
        const c10::DataPtr block = memory.allocate((1 + (i + t) % 3) * kMega);
        auto* data = static_cast<volatile char*>(block.get());
        data[0] = static_cast<char>(t);
        ASSERT_EQ(data[0], t);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(memory.held_bytes(), 4 * 3 * kMega);
}

}  // namespace
}  // namespace deduce
