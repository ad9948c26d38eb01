// Memory of large tensors. A training step asks for the same sizes again and again, most of its
// memory being activations. The C library's heap fits them badly (it looks for aligned memory in
// gaps larger than asked for, so that a tensor never fits where one of its size was), and what it
// maps and unmaps costs fresh pages each time.
#pragma once

#include <c10/core/Allocator.h>

#include <cstddef>
#include <map>
#include <mutex>

namespace deduce {

// Hands out blocks of whole pages of its own and keeps those that come back for tensors of about
// their size. Before it maps fresh ones it gives back to the system what it keeps, so that it never
// holds more than were in use at once. Smaller tensors are the heap's. Safe to use from several
// threads. Must outlive what it handed out.
class TensorMemory final : public c10::Allocator {
 public:
  static constexpr size_t kLeastBytes = size_t{1} << 20;

  // `n` bytes, aligned to 64; c10::Error where the system has no more.
  c10::DataPtr allocate(size_t n) override;
  void copy_data(void* to, const void* from, size_t n) const override;

  // Bytes of all blocks, in use or kept.
  size_t held_bytes() const;

 private:
  struct Block;
  static void TakeBack(void* block);
  void* Map(size_t size);
  void GiveBack(size_t size);

  mutable std::mutex mutex_;
  std::multimap<size_t, void*> kept_;               // by size
  size_t in_use_ = 0, most_in_use_ = 0, held_ = 0;  // bytes
};

// Makes it the memory of all tensors of the process that are made from now on.
void UseTensorMemory();

}  // namespace deduce
