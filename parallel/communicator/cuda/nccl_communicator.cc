#include "parallel/communicator/cuda/nccl_communicator.h"

#include <ATen/ops/empty.h>
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <cstdlib>
#include <cstring>
#include <numeric>
#include <utility>

namespace deduce {
namespace {

size_t NumBytes(const at::Tensor& tensor) { return tensor.nbytes(); }

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
    Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  }

  ~NcclCommunicator() override {
    // Nothing to be done about failures here: whoever used the communicator has seen them.
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

  void Broadcast(at::Tensor& tensor, int root) override {
    WaitForProducers();
    Check(ncclBroadcast(tensor.const_data_ptr(), tensor.mutable_data_ptr(), NumBytes(tensor),
                        ncclInt8, root, comm_, stream_),
          "Broadcast");
    Synchronize("Broadcast");
  }

  at::Tensor AllGather(const at::Tensor& tensor) override {
    std::vector<int64_t> shape = tensor.sizes().vec();
    shape.insert(shape.begin(), size());
    at::Tensor all = at::empty(shape, tensor.options());
    WaitForProducers();
    Check(ncclAllGather(tensor.const_data_ptr(), all.mutable_data_ptr(), NumBytes(tensor), ncclInt8,
                        comm_, stream_),
          "AllGather");
    Synchronize("AllGather");
    return all;
  }

  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override {
    std::vector<int64_t> shape = send.sizes().vec();
    shape[0] = std::accumulate(recv_rows.begin(), recv_rows.end(), int64_t{0});
    at::Tensor received = at::empty(shape, send.options());
    int64_t row_bytes = static_cast<int64_t>(send.element_size());
    for (size_t i = 1; i < shape.size(); ++i) row_bytes *= shape[i];
    const char* from = static_cast<const char*>(send.const_data_ptr());
    char* to = static_cast<char*>(received.mutable_data_ptr());
    WaitForProducers();
    Check(ncclGroupStart(), "AllToAll");
    for (int peer = 0; peer < size(); ++peer) {
      const int64_t out = send_rows[peer] * row_bytes, in = recv_rows[peer] * row_bytes;
      Check(ncclSend(from, out, ncclInt8, peer, comm_, stream_), "AllToAll");
      Check(ncclRecv(to, in, ncclInt8, peer, comm_, stream_), "AllToAll");
      from += out;
      to += in;
    }
    Check(ncclGroupEnd(), "AllToAll");
    auto transfers = std::make_unique<Transfers>();
    transfers->Add(std::make_unique<StreamTransfer>(*this, send));
    transfers->Add(std::make_unique<StreamTransfer>(*this, received));
    return {received, std::move(transfers)};
  }

  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int) override {
    WaitForProducers();
    Check(ncclSend(tensor.const_data_ptr(), NumBytes(tensor), ncclInt8, peer, comm_, stream_),
          "Send");
    return std::make_unique<StreamTransfer>(*this, tensor);
  }

  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int) override {
    Check(ncclRecv(tensor.mutable_data_ptr(), NumBytes(tensor), ncclInt8, peer, comm_, stream_),
          "Receive");
    return std::make_unique<StreamTransfer>(*this, tensor);
  }

  std::unique_ptr<Communicator> Split(int color, int key) override {
    return MakeNcclCommunicator(bootstrap_->Split(color, key));
  }

 private:
  // Keeps the tensor alive until the stream is past the transfer.
  class StreamTransfer : public Transfer {
   public:
    StreamTransfer(NcclCommunicator& owner, at::Tensor tensor)
        : owner_(owner), tensor_(std::move(tensor)) {}
    ~StreamTransfer() override {
      if (tensor_.defined()) static_cast<void>(cudaStreamSynchronize(owner_.stream_));
    }
    void Wait() override {
      owner_.Synchronize("Wait");
      tensor_ = at::Tensor();
    }

   private:
    NcclCommunicator& owner_;
    at::Tensor tensor_;
  };

  void Check(ncclResult_t result, const char* operation) const {
    TORCH_CHECK(result == ncclSuccess, "rank ", rank(), ", ", operation, ": found NCCL error \"",
                ncclGetErrorString(result), "\", expected none");
  }
  void Check(cudaError_t result, const char* operation) const {
    TORCH_CHECK(result == cudaSuccess, "rank ", rank(), ", ", operation, ": found CUDA error \"",
                cudaGetErrorString(result), "\", expected none");
  }
  // What was queued on other streams may still be writing the tensors.
  void WaitForProducers() const { Check(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }
  void Synchronize(const char* operation) const {
    Check(cudaStreamSynchronize(stream_), operation);
  }

  std::unique_ptr<Communicator> bootstrap_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

}  // namespace

std::unique_ptr<Communicator> MakeNcclCommunicator(std::unique_ptr<Communicator> bootstrap) {
  return std::make_unique<NcclCommunicator>(std::move(bootstrap));
}

}  // namespace deduce
