#include "parallel/communicator/staged_communicator.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <cstdlib>
#include <utility>

namespace deduce {
namespace {

at::Tensor HostLike(const at::Tensor& tensor) {
  return at::empty(tensor.sizes(), tensor.options().device(at::kCPU));
}

// Also onto a parameter, which has gradients.
void CopyTo(at::Tensor& device, const at::Tensor& host) {
  const at::NoGradGuard no_grad;
  device.copy_(host);
}

// A transfer of a copy on the host, which it keeps; what has come is copied to `into`, if there is
// one.
class StagedTransfer : public Transfer {
 public:
  StagedTransfer(std::unique_ptr<Transfer> inner, at::Tensor host, at::Tensor into)
      : host_(std::move(host)), into_(std::move(into)), inner_(std::move(inner)) {}

  void Wait() override {
    inner_->Wait();
    if (into_.defined()) CopyTo(into_, host_);
    into_.reset();
  }

 private:
  at::Tensor host_, into_;
  std::unique_ptr<Transfer> inner_;  // ends before what it moves
};

class StagedCommunicator : public Communicator {
 public:
  explicit StagedCommunicator(std::unique_ptr<Communicator> transport)
      : transport_(std::move(transport)) {}

  int rank() const override { return transport_->rank(); }
  int size() const override { return transport_->size(); }
  void Barrier() override { transport_->Barrier(); }

  void Broadcast(at::Tensor& tensor, int root) override {
    if (tensor.is_cpu()) return transport_->Broadcast(tensor, root);
    at::Tensor host = rank() == root ? tensor.detach().cpu() : HostLike(tensor);
    transport_->Broadcast(host, root);
    if (rank() != root) CopyTo(tensor, host);
  }

  at::Tensor AllGather(const at::Tensor& tensor) override {
    return transport_->AllGather(tensor.detach().cpu()).to(tensor.device());
  }

  std::vector<std::string> AllGatherBytes(const std::string& bytes) override {
    return transport_->AllGatherBytes(bytes);
  }

  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override {
    if (send.is_cpu()) return transport_->StartAllToAll(send, send_rows, recv_rows);
    const at::Tensor host = send.detach().cpu();
    return Staged(transport_->StartAllToAll(host, send_rows, recv_rows), host, send.options());
  }

  void AllReduce(at::Tensor& tensor, Reduction reduction) override {
    if (tensor.is_cpu()) return transport_->AllReduce(tensor, reduction);
    at::Tensor host = tensor.detach().cpu();
    transport_->AllReduce(host, reduction);
    CopyTo(tensor, host);
  }

  RowExchange StartReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                                 Reduction reduction) override {
    if (tensor.is_cpu()) return transport_->StartReduceScatter(tensor, rows, reduction);
    const at::Tensor host = tensor.detach().cpu();
    return Staged(transport_->StartReduceScatter(host, rows, reduction), host, tensor.options());
  }

  void AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) override {
    if (buffer.is_cpu()) return transport_->AllGatherInto(buffer, rows);
    at::Tensor host = buffer.detach().cpu();
    transport_->AllGatherInto(host, rows);
    CopyTo(buffer, host);
  }

  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) override {
    if (tensor.is_cpu()) return transport_->Send(tensor, peer, tag);
    at::Tensor host = tensor.detach().cpu();
    std::unique_ptr<Transfer> inner = transport_->Send(host, peer, tag);
    return std::make_unique<StagedTransfer>(std::move(inner), std::move(host), at::Tensor());
  }

  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) override {
    if (tensor.is_cpu()) return transport_->Receive(tensor, peer, tag);
    at::Tensor host = HostLike(tensor);
    std::unique_ptr<Transfer> inner = transport_->Receive(host, peer, tag);
    return std::make_unique<StagedTransfer>(std::move(inner), std::move(host), tensor);
  }

  std::unique_ptr<Communicator> Split(int color, int key) override {
    return MakeStagedCommunicator(transport_->Split(color, key));
  }

  void BeginAction(absl::string_view what) override { transport_->BeginAction(what); }
  void EndAction() override { transport_->EndAction(); }

  [[noreturn]] void Abort(int exit_code) override {
    transport_->Abort(exit_code);
    std::abort();  // g++ 12 does not believe that the line above never returns
  }

 private:
  // The device's end of an exchange on the host. Both of its ends live until it is over: the sent
  // rows in the transfer around.
  static RowExchange Staged(RowExchange exchange, const at::Tensor& sent,
                            const at::TensorOptions& options) {
    const at::Tensor received = at::empty(exchange.received.sizes(), options);
    auto coming =
        std::make_unique<StagedTransfer>(std::move(exchange.transfer), exchange.received, received);
    return {received, std::make_unique<StagedTransfer>(std::move(coming), sent, at::Tensor())};
  }

  std::unique_ptr<Communicator> transport_;
};

}  // namespace

std::unique_ptr<Communicator> MakeStagedCommunicator(std::unique_ptr<Communicator> transport) {
  return std::make_unique<StagedCommunicator>(std::move(transport));
}

}  // namespace deduce
