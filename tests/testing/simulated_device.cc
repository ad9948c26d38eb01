#include "tests/testing/simulated_device.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_copy_from_and_resize_native.h>
#include <ATen/ops/_local_scalar_dense_native.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/copy_native.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_cpu_dispatch.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <sys/mman.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <mutex>
#include <optional>

namespace deduce {
namespace {

constexpr size_t kPageBytes = 4096;
const c10::Device kDevice(c10::DeviceType::PrivateUse1, 0);

// All memory of the device. A block is open while someone who may reads or writes it.
class ClosedMemory {
 public:
  static ClosedMemory& All() {
    static auto* const all = new ClosedMemory;  // outlives every tensor
    return *all;
  }

  void* Allocate(size_t bytes) {
    const size_t size = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
    void* data = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK(data != MAP_FAILED, "simulated device: found no ", size, " bytes of memory");
    const std::lock_guard lock(mutex_);
    blocks_[reinterpret_cast<uintptr_t>(data)] = {size, 0};
    return data;
  }

  void Free(void* data) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(reinterpret_cast<uintptr_t>(data));
    munmap(data, found->second.size);
    blocks_.erase(found);
  }

  // by: 1 opens the block that has this address, -1 closes it again.
  void Open(const void* data, int by) {
    const std::lock_guard lock(mutex_);
    const auto found = std::prev(blocks_.upper_bound(reinterpret_cast<uintptr_t>(data)));
    Block& block = found->second;
    const bool was_open = block.users > 0;
    block.users += by;
    if (was_open == (block.users > 0)) return;
    mprotect(reinterpret_cast<void*>(found->first), block.size,
             was_open ? PROT_NONE : PROT_READ | PROT_WRITE);
  }

 private:
  struct Block {
    size_t size;
    int users;
  };
  std::mutex mutex_;
  std::map<uintptr_t, Block> blocks_;  // by first address
};

// While it lives, the host may use the block of an address; null: nothing to open.
class Access {
 public:
  explicit Access(const void* data) : data_(data) {
    if (data_ != nullptr) ClosedMemory::All().Open(data_, 1);
  }
  explicit Access(const at::Tensor& tensor)
      : Access(tensor.device().is_cpu() ? nullptr : tensor.storage().data()) {}
  ~Access() {
    if (data_ != nullptr) ClosedMemory::All().Open(data_, -1);
  }
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

 private:
  const void* data_;
};

struct Counters {
  std::mutex mutex;
  std::map<std::string, int64_t> calls;
  HostReads reads;
  static Counters& All() {
    static auto* const all = new Counters;
    return *all;
  }
};

// Whether this thread is within an operator of the CPU's, whose copies are no reads of the host's.
thread_local bool falling_back = false;

void CountRead(int64_t HostReads::*kind) {
  if (falling_back) return;
  Counters& counters = Counters::All();
  const std::lock_guard lock(counters.mutex);
  ++(counters.reads.*kind);
}

void FreeBlock(void* data) { ClosedMemory::All().Free(data); }

class SimulatedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, nullptr, &FreeBlock, kDevice};
    void* data = ClosedMemory::All().Allocate(bytes);
    return {data, data, &FreeBlock, kDevice};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &FreeBlock; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    const Access a(to), b(from);
    std::memcpy(to, from, bytes);
  }
};
SimulatedAllocator allocator;

// One device with one stream on which everything is done at once.
struct SimulatedGuard final : c10::impl::DeviceGuardImplInterface {
  static c10::Stream OnlyStream() { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
  c10::DeviceType type() const override { return kDevice.type(); }
  c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
  c10::Device getDevice() const override { return kDevice; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const noexcept override { return OnlyStream(); }
  c10::Stream getDefaultStream(c10::Device) const override { return OnlyStream(); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return OnlyStream(); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void record(void**, const c10::Stream&, c10::DeviceIndex, c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, c10::DeviceIndex) const noexcept override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, SimulatedGuard)

struct SimulatedHooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    c10::DataPtr data = allocator.allocate(bytes);
    const size_t kept = std::min(bytes, storage.nbytes());
    if (kept > 0) allocator.copy_data(data.mutable_get(), storage.data(), kept);
    storage.set_data_ptr_noswap(std::move(data));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
};

// --- the operators that have to know the memory ---

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);
using OptionalType = std::optional<c10::ScalarType>;
using OptionalLayout = std::optional<c10::Layout>;
using OptionalDevice = std::optional<c10::Device>;
using OptionalBool = std::optional<bool>;

at::Tensor Empty(c10::IntArrayRef sizes, OptionalType type, OptionalLayout, OptionalDevice,
                 OptionalBool, std::optional<c10::MemoryFormat> format) {
  return at::detail::empty_generic(sizes, &allocator, kKeys, c10::dtype_or_default(type), format);
}

at::Tensor EmptyStrided(c10::IntArrayRef sizes, c10::IntArrayRef strides, OptionalType type,
                        OptionalLayout, OptionalDevice, OptionalBool) {
  return at::detail::empty_strided_generic(sizes, strides, &allocator, kKeys,
                                           c10::dtype_or_default(type));
}

// The same memory as a tensor of the CPU, for whoever has opened it.
at::Tensor SeenByHost(const at::Tensor& tensor) {
  if (tensor.device().is_cpu()) return tensor;
  return at::from_blob(tensor.numel() > 0 ? tensor.data_ptr() : nullptr, tensor.sizes(),
                       tensor.strides(), tensor.options().device(at::kCPU));
}

at::Tensor CopyFrom(const at::Tensor& from, const at::Tensor& to, bool /*non_blocking*/) {
  if (to.device().is_cpu()) CountRead(&HostReads::tensors);
  const Access a(from), b(to);
  at::Tensor host = SeenByHost(to);
  at::native::copy_(host, SeenByHost(from), false);
  return to;
}

at::Tensor CopyFromAndResize(const at::Tensor& from, const at::Tensor& to) {
  at::native::resize_(to, from.sizes(), std::nullopt);
  return CopyFrom(from, to, false);
}

at::Scalar ReadNumber(const at::Tensor& tensor) {
  CountRead(&HostReads::numbers);
  const Access access(tensor);
  return at::native::_local_scalar_dense_cpu(SeenByHost(tensor));
}

at::Tensor View(const at::Tensor& tensor, c10::SymIntArrayRef sizes) {
  return at::native::view(tensor, C10_AS_INTARRAYREF_SLOW(sizes));
}

at::Tensor AsStrided(const at::Tensor& tensor, c10::SymIntArrayRef sizes,
                     c10::SymIntArrayRef strides, std::optional<c10::SymInt> offset) {
  return at::native::as_strided_tensorimpl(
      tensor, C10_AS_INTARRAYREF_SLOW(sizes), C10_AS_INTARRAYREF_SLOW(strides),
      offset ? std::optional(offset->expect_int()) : std::nullopt);
}

at::Tensor ReshapeAlias(const at::Tensor& tensor, c10::SymIntArrayRef sizes,
                        c10::SymIntArrayRef strides) {
  return at::native::_reshape_alias(tensor, C10_AS_INTARRAYREF_SLOW(sizes),
                                    C10_AS_INTARRAYREF_SLOW(strides));
}

const at::Tensor& Resize(const at::Tensor& tensor, c10::SymIntArrayRef sizes,
                         std::optional<at::MemoryFormat> format) {
  return at::native::resize_(tensor, C10_AS_INTARRAYREF_SLOW(sizes), format);
}

at::Tensor& SetTensor(at::Tensor& tensor, const at::Tensor& source) {
  return at::native::set_tensor_(tensor, source);
}
at::Tensor& SetStorage(at::Tensor& tensor, at::Storage source) {
  return at::native::set_(tensor, source);
}
at::Tensor& SetStorageOffset(at::Tensor& tensor, at::Storage source, int64_t offset,
                             c10::IntArrayRef sizes, c10::IntArrayRef strides) {
  return at::cpu::set_(tensor, source, offset, sizes, strides);
}

// --- all others: the CPU's, on copies ---

void CheckOneDevice(const std::string& name, const torch::jit::Stack& stack, size_t num_arguments) {
  bool host = false, device = false;
  const auto look = [&](const at::Tensor& tensor) {
    if (!tensor.defined()) return;
    if (!tensor.device().is_cpu()) {
      device = true;
    } else if (tensor.dim() > 0) {
      host = true;
    }
  };
  for (size_t i = stack.size() - num_arguments; i < stack.size(); ++i) {
    if (stack[i].isTensor()) look(stack[i].toTensor());
    if (!stack[i].isTensorList()) continue;
    for (const at::Tensor& tensor : stack[i].toTensorVector()) look(tensor);
  }
  TORCH_CHECK(!(host && device), name,
              ": found tensors of the host and of the simulated device, expected one of them");
}

// Operators whose results are as long as numbers say: a device's host waits for those.
bool HasShapeOfNumbers(const std::string& name) {
  return name == "aten::nonzero" || name == "aten::masked_select" ||
         name.starts_with("aten::unique") || name.starts_with("aten::_unique");
}

void FallBack(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const std::string name = c10::toString(op.schema().operator_name());
  if (HasShapeOfNumbers(name)) CountRead(&HostReads::numbers);
  CheckOneDevice(name, *stack, op.schema().arguments().size());
  {
    Counters& counters = Counters::All();
    const std::lock_guard lock(counters.mutex);
    ++counters.calls[name];
  }
  struct Scope {
    Scope() { falling_back = true; }
    ~Scope() { falling_back = false; }
  } const scope;
  at::native::cpu_fallback(op, stack, /*error_on_views=*/true);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", Empty);
  library.impl("empty_strided", EmptyStrided);
  library.impl("as_strided", AsStrided);
  library.impl("view", View);
  library.impl("_reshape_alias", ReshapeAlias);
  library.impl("resize_", Resize);
  library.impl("_copy_from", CopyFrom);
  library.impl("_copy_from_and_resize", CopyFromAndResize);
  library.impl("_local_scalar_dense", ReadNumber);
  library.impl("set_.source_Tensor", SetTensor);
  library.impl("set_.source_Storage", SetStorage);
  library.impl("set_.source_Storage_storage_offset", SetStorageOffset);
}
TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&FallBack>());
}

}  // namespace

c10::Device SimulatedDevice() {
  [[maybe_unused]] static const bool once = [] {
    c10::register_privateuse1_backend("simulated");
    c10::SetAllocator(c10::DeviceType::PrivateUse1, &allocator);
    at::RegisterPrivateUse1HooksInterface(new SimulatedHooks);
    return true;
  }();
  return kDevice;
}

std::map<std::string, int64_t> SimulatedCalls() {
  Counters& counters = Counters::All();
  const std::lock_guard lock(counters.mutex);
  return counters.calls;
}

HostReads SimulatedHostReads() {
  Counters& counters = Counters::All();
  const std::lock_guard lock(counters.mutex);
  return counters.reads;
}

}  // namespace deduce
