#include "parallel/communicator/cuda/nccl_communicator.h"

#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

namespace deduce {
namespace {

void Check(cudaError_t result, const char* operation) {
  TORCH_CHECK(result == cudaSuccess, operation, ": found CUDA error \"", cudaGetErrorString(result),
              "\", expected none");
}

// LibTorch's own, on which the caller's tensors are made and used.
cudaStream_t CallersStream() {
  const c10::impl::VirtualGuardImpl cuda(c10::DeviceType::CUDA);
  return static_cast<cudaStream_t>(cuda.getStreamNativeHandle(cuda.getStream(cuda.getDevice())));
}

// A point in the work of a stream.
class Event {
 public:
  explicit Event(cudaStream_t stream) {
    Check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate");
    Check(cudaEventRecord(event_, stream), "cudaEventRecord");
  }
  ~Event() { static_cast<void>(cudaEventDestroy(event_)); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Lets `stream` begin what is queued on it from here on after this point. The host goes on.
  void MakeWait(cudaStream_t stream) const {
    Check(cudaStreamWaitEvent(stream, event_), "cudaStreamWaitEvent");
  }
  bool HasPassed() const {
    const cudaError_t result = cudaEventQuery(event_);
    if (result != cudaErrorNotReady) Check(result, "cudaEventQuery");
    return result == cudaSuccess;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

// The communicator keeps the tensors, so nothing has to be waited for to let them go.
class StreamTransfer : public Transfer {
 public:
  explicit StreamTransfer(std::shared_ptr<const Event> over) : over_(std::move(over)) {}
  void Wait() override { over_->MakeWait(CallersStream()); }
  void Release() override {}

 private:
  std::shared_ptr<const Event> over_;
};

void CheckTensor(const at::Tensor& tensor, const char* operation) {
  TORCH_CHECK(tensor.defined() && tensor.is_cuda() && tensor.is_contiguous(), operation,
              ": found a tensor on ", tensor.defined() ? tensor.device().str() : "no device",
              ", expected a contiguous one on a CUDA device");
}

// Programming error unless the rows are dealt to all ranks.
void CheckShards(const at::Tensor& tensor, const std::vector<int64_t>& rows, int size,
                 const char* operation) {
  CheckTensor(tensor, operation);
  const int64_t total = std::accumulate(rows.begin(), rows.end(), int64_t{0});
  TORCH_CHECK(static_cast<int>(rows.size()) == size && tensor.dim() >= 1 && tensor.size(0) == total,
              operation, ": found sizes ", tensor.sizes(), " and ", rows.size(), " shards of ",
              total, " rows, expected ", size, " of as many rows");
}

ncclDataType_t TypeOf(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return ncclFloat32;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kHalf:
      return ncclFloat16;
    case at::kDouble:
      return ncclFloat64;
    case at::kLong:
      return ncclInt64;
    case at::kInt:
      return ncclInt32;
    default:
      TORCH_CHECK(false, "a reduction over ranks: found type ", tensor.scalar_type(),
                  ", expected numbers that NCCL can add");
  }
}

bool AreEqual(const std::vector<int64_t>& rows) {
  return std::adjacent_find(rows.begin(), rows.end(), std::not_equal_to<>()) == rows.end();
}

class NcclCommunicator : public Communicator {
 public:
  explicit NcclCommunicator(std::unique_ptr<Communicator> bootstrap)
      : bootstrap_(std::move(bootstrap)) {
    ncclUniqueId id;
    if (rank() == 0) Check(ncclGetUniqueId(&id), "ncclGetUniqueId");
    const std::string from_root =
        bootstrap_->AllGatherBytes(rank() == 0 ? std::string(id.internal, sizeof(id)) : "")[0];
    std::memcpy(&id, from_root.data(), sizeof(id));
    Check(ncclCommInitRank(&comm_, size(), id, rank()), "ncclCommInitRank");
    deduce::Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  }

  ~NcclCommunicator() override {
    // Nothing to be done about failures here: whoever used the communicator has seen them.
    static_cast<void>(cudaStreamSynchronize(stream_));
    static_cast<void>(ncclCommDestroy(comm_));
    static_cast<void>(cudaStreamDestroy(stream_));
  }

  int rank() const override { return bootstrap_->rank(); }
  int size() const override { return bootstrap_->size(); }
  void Barrier() override { bootstrap_->Barrier(); }

  std::vector<std::string> AllGatherBytes(const std::string& bytes) override {
    return bootstrap_->AllGatherBytes(bytes);
  }

  [[noreturn]] void Abort(int exit_code) override {
    bootstrap_->Abort(exit_code);
    std::abort();  // g++ 12 does not believe that the line above never returns
  }

  void Broadcast(at::Tensor& tensor, int root) override;
  at::Tensor AllGather(const at::Tensor& tensor) override;
  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override;
  void AllReduce(at::Tensor& tensor, Reduction reduction) override;
  RowExchange StartReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                                 Reduction reduction) override;
  void AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) override;
  std::vector<std::unique_ptr<Transfer>> Exchange(
      const std::vector<PointToPoint>& messages) override;

  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) override {
    return std::move(Exchange({{PointToPoint::kSend, tensor, peer, tag}}).front());
  }
  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) override {
    return std::move(Exchange({{PointToPoint::kReceive, tensor, peer, tag}}).front());
  }

  std::unique_ptr<Communicator> Split(int color, int key) override {
    return MakeNcclCommunicator(bootstrap_->Split(color, key));
  }

 private:
  struct Kept {
    std::shared_ptr<const Event> until;
    std::vector<at::Tensor> tensors;
  };

  void Check(ncclResult_t result, const char* operation) const {
    TORCH_CHECK(result == ncclSuccess, "rank ", rank(), ", ", operation, ": found NCCL error \"",
                ncclGetErrorString(result), "\", expected none");
  }

  // Calls `queue`, which queues work on these tensors on stream_, behind what the caller has queued
  // so far. Returns the point at which it is over.
  template <typename Queue>
  std::shared_ptr<const Event> Enqueue(std::vector<at::Tensor> tensors, const Queue& queue) {
    while (!kept_.empty() && kept_.front().until->HasPassed()) kept_.pop_front();
    Event(CallersStream()).MakeWait(stream_);
    queue();
    auto over = std::make_shared<const Event>(stream_);
    kept_.push_back({over, std::move(tensors)});
    return over;
  }
  // The same as one group, whose members begin together.
  template <typename Queue>
  std::shared_ptr<const Event> EnqueueGroup(std::vector<at::Tensor> tensors, const char* operation,
                                            const Queue& queue) {
    return Enqueue(std::move(tensors), [&] {
      Check(ncclGroupStart(), operation);
      queue();
      Check(ncclGroupEnd(), operation);
    });
  }

  std::unique_ptr<Communicator> bootstrap_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;  // carries this communicator's work and nothing else
  std::deque<Kept> kept_;          // tensors that stream_ reads or writes, in its order
};

void NcclCommunicator::Broadcast(at::Tensor& tensor, int root) {
  CheckTensor(tensor, "Broadcast");
  Enqueue({tensor}, [&] {
    Check(ncclBroadcast(tensor.const_data_ptr(), tensor.mutable_data_ptr(), tensor.nbytes(),
                        ncclInt8, root, comm_, stream_),
          "Broadcast");
  })->MakeWait(CallersStream());
}

at::Tensor NcclCommunicator::AllGather(const at::Tensor& tensor) {
  CheckTensor(tensor, "AllGather");
  std::vector<int64_t> shape = tensor.sizes().vec();
  shape.insert(shape.begin(), size());
  const at::Tensor all = at::empty(shape, tensor.options().requires_grad(false));
  Enqueue({tensor, all}, [&] {
    Check(ncclAllGather(tensor.const_data_ptr(), all.mutable_data_ptr(), tensor.nbytes(), ncclInt8,
                        comm_, stream_),
          "AllGather");
  })->MakeWait(CallersStream());
  return all;
}

RowExchange NcclCommunicator::StartAllToAll(const at::Tensor& send,
                                            const std::vector<int64_t>& send_rows,
                                            const std::vector<int64_t>& recv_rows) {
  CheckShards(send, send_rows, size(), "AllToAll");
  std::vector<int64_t> shape = send.sizes().vec();
  shape[0] = std::accumulate(recv_rows.begin(), recv_rows.end(), int64_t{0});
  const at::Tensor received = at::empty(shape, send.options().requires_grad(false));
  int64_t row_bytes = static_cast<int64_t>(send.element_size());
  for (size_t i = 1; i < shape.size(); ++i) row_bytes *= shape[i];
  const char* from = static_cast<const char*>(send.const_data_ptr());
  char* to = static_cast<char*>(received.mutable_data_ptr());
  auto over = EnqueueGroup({send, received}, "AllToAll", [&] {
    for (int peer = 0; peer < size(); ++peer) {
      const int64_t out = send_rows[peer] * row_bytes, in = recv_rows[peer] * row_bytes;
      if (out > 0) Check(ncclSend(from, out, ncclInt8, peer, comm_, stream_), "AllToAll");
      if (in > 0) Check(ncclRecv(to, in, ncclInt8, peer, comm_, stream_), "AllToAll");
      from += out;
      to += in;
    }
  });
  return {received, std::make_unique<StreamTransfer>(std::move(over))};
}

void NcclCommunicator::AllReduce(at::Tensor& tensor, Reduction reduction) {
  CheckTensor(tensor, "AllReduce");
  if (reduction == Reduction::kTreeSum) {
    at::Tensor flat = tensor.detach().view({-1});
    flat.copy_(TreeSum(AllGather(flat).unbind(0)));
    return;
  }
  Enqueue({tensor}, [&] {
    Check(ncclAllReduce(tensor.const_data_ptr(), tensor.mutable_data_ptr(), tensor.numel(),
                        TypeOf(tensor), reduction == Reduction::kMax ? ncclMax : ncclSum, comm_,
                        stream_),
          "AllReduce");
  })->MakeWait(CallersStream());
}

// Shards of several sizes are a reduction each, all of them together.
RowExchange NcclCommunicator::StartReduceScatter(const at::Tensor& tensor,
                                                 const std::vector<int64_t>& rows,
                                                 Reduction reduction) {
  CheckShards(tensor, rows, size(), "ReduceScatter");
  TORCH_CHECK(reduction != Reduction::kMax, "ReduceScatter: found kMax, expected a sum");
  if (reduction == Reduction::kTreeSum) return StartTreeSum(*this, tensor, rows, size());
  std::vector<int64_t> shape = tensor.sizes().vec();
  shape[0] = rows[rank()];
  const at::Tensor shard = at::empty(shape, tensor.options().requires_grad(false));
  auto over = EnqueueGroup({tensor, shard}, "ReduceScatter", [&] {
    if (AreEqual(rows)) {
      return Check(ncclReduceScatter(tensor.const_data_ptr(), shard.mutable_data_ptr(),
                                     shard.numel(), TypeOf(tensor), ncclSum, comm_, stream_),
                   "ReduceScatter");
    }
    int64_t begin = 0;
    for (int r = 0; r < size(); begin += rows[r++]) {
      if (rows[r] == 0) continue;
      const at::Tensor part = tensor.narrow(0, begin, rows[r]);
      Check(ncclReduce(part.const_data_ptr(), shard.mutable_data_ptr(), part.numel(), TypeOf(part),
                       ncclSum, r, comm_, stream_),
            "ReduceScatter");
    }
  });
  return {shard, std::make_unique<StreamTransfer>(std::move(over))};
}

void NcclCommunicator::AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) {
  CheckShards(buffer, rows, size(), "AllGatherInto");
  EnqueueGroup({buffer}, "AllGatherInto", [&] {
    const int64_t row_bytes =
        buffer.size(0) == 0 ? 0 : static_cast<int64_t>(buffer.nbytes()) / buffer.size(0);
    char* shard = static_cast<char*>(buffer.mutable_data_ptr());
    if (AreEqual(rows)) {
      const int64_t bytes = rows[0] * row_bytes;
      return Check(ncclAllGather(shard + rank() * bytes, shard, bytes, ncclInt8, comm_, stream_),
                   "AllGatherInto");
    }
    for (int r = 0; r < size(); shard += rows[r++] * row_bytes) {
      if (rows[r] == 0) continue;
      Check(ncclBroadcast(shard, shard, rows[r] * row_bytes, ncclInt8, r, comm_, stream_),
            "AllGatherInto");
    }
  })->MakeWait(CallersStream());
}

std::vector<std::unique_ptr<Transfer>> NcclCommunicator::Exchange(
    const std::vector<PointToPoint>& messages) {
  std::vector<at::Tensor> tensors;
  for (const PointToPoint& message : messages) {
    CheckTensor(message.tensor, "Exchange");
    tensors.push_back(message.tensor);
  }
  const auto over = EnqueueGroup(std::move(tensors), "Exchange", [&] {
    for (const PointToPoint& message : messages) {
      const at::Tensor& tensor = message.tensor;
      const size_t bytes = tensor.nbytes();
      Check(
          message.direction == PointToPoint::kSend
              ? ncclSend(tensor.const_data_ptr(), bytes, ncclInt8, message.peer, comm_, stream_)
              : ncclRecv(tensor.mutable_data_ptr(), bytes, ncclInt8, message.peer, comm_, stream_),
          "Exchange");
    }
  });
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (size_t i = 0; i < messages.size(); ++i)
    transfers.push_back(std::make_unique<StreamTransfer>(over));
  return transfers;
}

}  // namespace

std::unique_ptr<Communicator> MakeNcclCommunicator(std::unique_ptr<Communicator> bootstrap) {
  int devices = 0;
  const cudaError_t result = cudaGetDeviceCount(&devices);
  TORCH_CHECK(result == cudaSuccess && devices > 0, "rank ", bootstrap->rank(), ": found ", devices,
              " CUDA devices, expected at least 1 (", cudaGetErrorString(result), ")");
  return std::make_unique<NcclCommunicator>(std::move(bootstrap));
}

}  // namespace deduce
