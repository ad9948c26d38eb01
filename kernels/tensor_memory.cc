#include "kernels/tensor_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <memory>

namespace deduce {
namespace {

constexpr size_t kPage = 4096;

// A kept block may be larger than a tensor by this part of it, so that batches whose numbers of
// tokens differ a little share blocks.
size_t MostFor(size_t size) { return size + size / 8; }

}  // namespace

struct TensorMemory::Block {
  TensorMemory* owner;
  void* data;
  size_t size;
};

c10::DataPtr TensorMemory::allocate(size_t n) {
  if (n < kLeastBytes) return c10::GetDefaultCPUAllocator()->allocate(n);
  auto block = std::make_unique<Block>(Block{this, nullptr, (n + kPage - 1) / kPage * kPage});
  {
    const std::lock_guard lock(mutex_);
    const auto found = kept_.lower_bound(block->size);
    const bool fits = found != kept_.end() && found->first <= MostFor(block->size);
    if (fits) block->size = found->first;
    most_in_use_ = std::max(most_in_use_, in_use_ + block->size);
    block->data = fits ? found->second : Map(block->size);
    if (fits) kept_.erase(found);
    in_use_ += block->size;
  }
  void* data = block->data;
  return {data, block.release(), &TakeBack, c10::Device(c10::DeviceType::CPU)};
}

void TensorMemory::copy_data(void* to, const void* from, size_t n) const {
  default_copy_data(to, from, n);
}

size_t TensorMemory::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

void TensorMemory::TakeBack(void* context) {
  const std::unique_ptr<Block> block(static_cast<Block*>(context));
  const std::lock_guard lock(block->owner->mutex_);
  block->owner->in_use_ -= block->size;
  block->owner->kept_.emplace(block->size, block->data);
}

void* TensorMemory::Map(size_t size) {
  const auto map = [&] {
    return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  if (held_ + size > most_in_use_) GiveBack(held_ + size - most_in_use_);
  void* data = map();
  if (data == MAP_FAILED) {
    GiveBack(held_);
    data = map();
  }
  TORCH_CHECK(data != MAP_FAILED, "TensorMemory: found no ", size, " bytes of memory beside ",
              held_, " in use");
  held_ += size;
  return data;
}

// At least `size` bytes, if as many are kept: each time the largest block that is no more than what
// is left to give, or the smallest.
void TensorMemory::GiveBack(size_t size) {
  for (size_t given = 0; given < size && !kept_.empty();) {
    auto block = kept_.upper_bound(size - given);
    if (block != kept_.begin()) block = std::prev(block);
    munmap(block->second, block->first);
    given += block->first;
    held_ -= block->first;
    kept_.erase(block);
  }
}

void UseTensorMemory() {
  static auto* const memory = new TensorMemory;  // outlives every tensor
  c10::SetCPUAllocator(memory, /*priority=*/1);
}

}  // namespace deduce
