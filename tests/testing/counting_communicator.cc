#include "tests/testing/counting_communicator.h"

#include <cstdlib>
#include <utility>
#include <vector>

namespace deduce {
namespace {

int64_t Bytes(const at::Tensor& tensor) { return static_cast<int64_t>(tensor.nbytes()); }

class CountingCommunicator : public Communicator {
 public:
  CountingCommunicator(Communicator& inner, std::unique_ptr<Communicator> owned,
                       std::shared_ptr<CallCounts> counts)
      : inner_(inner), owned_(std::move(owned)), counts_(std::move(counts)) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }

  void Barrier() override {
    Count("Barrier", 0);
    inner_.Barrier();
  }
  void Broadcast(at::Tensor& tensor, int root) override {
    Count("Broadcast", root == rank() ? Bytes(tensor) : 0);
    inner_.Broadcast(tensor, root);
  }
  at::Tensor AllGather(const at::Tensor& tensor) override {
    Count("AllGather", Bytes(tensor));
    return inner_.AllGather(tensor);
  }
  std::vector<std::string> AllGatherBytes(const std::string& bytes) override {
    Count("AllGatherBytes", static_cast<int64_t>(bytes.size()));
    return inner_.AllGatherBytes(bytes);
  }
  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override {
    Count("AllToAll", Bytes(send) - BytesOfRows(send, send_rows[rank()]));
    return inner_.StartAllToAll(send, send_rows, recv_rows);
  }
  void AllReduce(at::Tensor& tensor, Reduction reduction) override {
    Count("AllReduce", Bytes(tensor));
    inner_.AllReduce(tensor, reduction);
  }
  at::Tensor ReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                           Reduction reduction) override {
    Count("ReduceScatter", Bytes(tensor) - BytesOfRows(tensor, rows[rank()]));
    return inner_.ReduceScatter(tensor, rows, reduction);
  }
  RowExchange StartReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                                 Reduction reduction) override {
    Count("ReduceScatter", Bytes(tensor) - BytesOfRows(tensor, rows[rank()]));
    return inner_.StartReduceScatter(tensor, rows, reduction);
  }
  void AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) override {
    Count("AllGatherInto", BytesOfRows(buffer, rows[rank()]));
    inner_.AllGatherInto(buffer, rows);
  }
  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) override {
    Count("Send", Bytes(tensor));
    return inner_.Send(tensor, peer, tag);
  }
  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) override {
    return inner_.Receive(tensor, peer, tag);
  }
  std::unique_ptr<Communicator> Split(int color, int key) override {
    Count("Split", 0);
    std::unique_ptr<Communicator> part = inner_.Split(color, key);
    Communicator& split = *part;
    return std::make_unique<CountingCommunicator>(split, std::move(part), counts_);
  }
  void BeginAction(absl::string_view what) override { inner_.BeginAction(what); }
  void EndAction() override { inner_.EndAction(); }
  [[noreturn]] void Abort(int exit_code) override {
    inner_.Abort(exit_code);
    std::_Exit(exit_code);
  }

 private:
  static int64_t BytesOfRows(const at::Tensor& tensor, int64_t rows) {
    return tensor.size(0) == 0 ? 0 : Bytes(tensor) / tensor.size(0) * rows;
  }
  void Count(const char* operation, int64_t bytes) {
    if (size() == 1) return;
    CallCount& count = (*counts_)[operation];
    ++count.calls;
    count.bytes += bytes;
  }

  Communicator& inner_;
  std::unique_ptr<Communicator> owned_;  // what inner_ is, of a group that was split off
  std::shared_ptr<CallCounts> counts_;
};

}  // namespace

std::unique_ptr<Communicator> MakeCountingCommunicator(Communicator& inner,
                                                       std::shared_ptr<CallCounts> counts) {
  return std::make_unique<CountingCommunicator>(inner, nullptr, std::move(counts));
}

}  // namespace deduce
