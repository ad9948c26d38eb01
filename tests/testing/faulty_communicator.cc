#include "tests/testing/faulty_communicator.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <cstdlib>
#include <map>
#include <utility>
#include <vector>

namespace deduce {
namespace {

at::Tensor OneMore(const at::Tensor& tensor) {
  return at::cat({tensor, tensor.narrow(0, 0, 1)}).contiguous();
}

class FaultyCommunicator : public Communicator {
 public:
  FaultyCommunicator(Communicator& inner, Fault fault) : inner_(inner), fault_(std::move(fault)) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }

  void Barrier() override {
    const Fault::Kind fault = Meet("Barrier");
    if (fault == Fault::kReorder) return Hold([this] { inner_.Barrier(); });
    if (fault != Fault::kSkip) inner_.Barrier();
    CallHeld();
  }

  void Broadcast(at::Tensor& tensor, int root) override {
    const Fault::Kind fault = Meet("Broadcast");
    if (fault == Fault::kReorder)
      return Hold([=, this]() mutable { inner_.Broadcast(tensor, root); });
    if (fault == Fault::kRoot) root = (root + 1) % size();
    at::Tensor sent = fault == Fault::kShape ? OneMore(tensor) : tensor;
    if (fault != Fault::kSkip) inner_.Broadcast(sent, root);
    CallHeld();
  }

  at::Tensor AllGather(const at::Tensor& tensor) override {
    const Fault::Kind fault = Meet("AllGather");
    std::vector<int64_t> sizes = tensor.sizes().vec();
    sizes.insert(sizes.begin(), size());
    at::Tensor all = at::zeros(sizes, tensor.options());
    if (fault == Fault::kShape) {
      inner_.AllGather(OneMore(tensor));
    } else if (fault != Fault::kSkip) {
      all = inner_.AllGather(tensor);
    }
    CallHeld();
    return all;
  }

  std::vector<std::string> AllGatherBytes(const std::string& bytes) override {
    const bool skips = Meet("AllGatherBytes") == Fault::kSkip;
    std::vector<std::string> all =
        skips ? std::vector<std::string>(size()) : inner_.AllGatherBytes(bytes);
    CallHeld();
    return all;
  }

  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override {
    const Fault::Kind fault = Meet("AllToAll");
    RowExchange exchange{send, std::make_unique<FinishedTransfer>()};
    if (fault == Fault::kShape) {
      std::vector<int64_t> rows = send_rows;
      const int next = (rank() + 1) % size();
      ++rows[next];
      exchange = inner_.StartAllToAll(OneMore(send), rows, recv_rows);
    } else if (fault != Fault::kSkip) {
      exchange = inner_.StartAllToAll(send, send_rows, recv_rows);
    }
    CallHeld();
    return exchange;
  }

  void AllReduce(at::Tensor& tensor, Reduction reduction) override {
    const Fault::Kind fault = Meet("AllReduce");
    if (fault == Fault::kReorder)
      return Hold([=, this]() mutable { inner_.AllReduce(tensor, reduction); });
    at::Tensor summed = fault == Fault::kShape ? OneMore(tensor) : tensor;
    if (fault != Fault::kSkip) inner_.AllReduce(summed, reduction);
    CallHeld();
  }

  at::Tensor ReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                           Reduction reduction) override {
    const Fault::Kind fault = Meet("ReduceScatter");
    at::Tensor shard = tensor.narrow(0, 0, rows[rank()]);
    if (fault != Fault::kSkip)
      shard = inner_.ReduceScatter(tensor, ShardsAfter(fault, rows), reduction);
    CallHeld();
    return shard;
  }

  RowExchange StartReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                                 Reduction reduction) override {
    const Fault::Kind fault = Meet("StartReduceScatter");
    RowExchange shard{tensor.narrow(0, 0, rows[rank()]), std::make_unique<FinishedTransfer>()};
    if (fault != Fault::kSkip)
      shard = inner_.StartReduceScatter(tensor, ShardsAfter(fault, rows), reduction);
    CallHeld();
    return shard;
  }

  void AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) override {
    const Fault::Kind fault = Meet("AllGatherInto");
    if (fault != Fault::kSkip) inner_.AllGatherInto(buffer, ShardsAfter(fault, rows));
    CallHeld();
  }

  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) override {
    const Fault::Kind fault = Meet("Send");
    if (fault == Fault::kSkip) return std::make_unique<FinishedTransfer>();
    if (fault == Fault::kPeer) peer = (peer + 1) % size();
    if (fault == Fault::kTag) ++tag;
    return inner_.Send(fault == Fault::kShape ? OneMore(tensor) : tensor, peer, tag);
  }

  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) override {
    const Fault::Kind fault = Meet("Receive");
    if (fault == Fault::kSkip) return std::make_unique<FinishedTransfer>();
    if (fault == Fault::kPeer) peer = (peer + size() - 1) % size();
    if (fault == Fault::kTag) ++tag;
    at::Tensor to = fault == Fault::kShape ? OneMore(tensor) : tensor;
    return inner_.Receive(to, peer, tag);
  }

  std::unique_ptr<Communicator> Split(int color, int key) override {
    return inner_.Split(color, key);
  }

  void BeginAction(absl::string_view what) override { inner_.BeginAction(what); }
  void EndAction() override { inner_.EndAction(); }

  [[noreturn]] void Abort(int exit_code) override {
    inner_.Abort(exit_code);
    std::_Exit(exit_code);
  }

 private:
  // Whether this call is the one that goes wrong, and how.
  Fault::Kind Meet(const std::string& operation) {
    const int64_t nth = calls_[operation]++;
    if (operation != fault_.operation || nth != fault_.nth) return Fault::kNone;
    if (fault_.act) fault_.act();
    return fault_.kind;
  }

  // One row of the first rank given to the last.
  static std::vector<int64_t> ShardsAfter(Fault::Kind fault, std::vector<int64_t> rows) {
    if (fault == Fault::kShape) {
      --rows.front();
      ++rows.back();
    }
    return rows;
  }

  void Hold(std::function<void()> call) { held_ = std::move(call); }
  void CallHeld() {
    if (const std::function<void()> call = std::exchange(held_, nullptr)) call();
  }

  Communicator& inner_;
  Fault fault_;
  std::map<std::string, int64_t> calls_;
  std::function<void()> held_;
};

}  // namespace

std::unique_ptr<Communicator> MakeFaultyCommunicator(Communicator& inner, Fault fault) {
  return std::make_unique<FaultyCommunicator>(inner, std::move(fault));
}

}  // namespace deduce
