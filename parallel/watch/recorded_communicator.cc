#include "parallel/watch/recorded_communicator.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <cstdlib>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace deduce {
namespace {

template <typename Function>
auto ReportFailure(Recording& recording, const Function& run) {
  try {
    return run();
  } catch (const std::exception& error) {
    if (recording.on_failure) recording.on_failure(error.what());
    throw;
  }
}

// A call, from its construction to the end of `run`.
template <typename Function>
auto RecordEnd(Recording& recording, int64_t index, const Function& run) {
  struct Ending {
    ~Ending() { recording.ledger.End(index); }
    Recording& recording;
    int64_t index;
  };
  const Ending ending{recording, index};
  return ReportFailure(recording, run);
}

class RecordedTransfer : public Transfer {
 public:
  RecordedTransfer(std::shared_ptr<Recording> recording, int64_t index,
                   std::unique_ptr<Transfer> transfer)
      : recording_(std::move(recording)), index_(index), transfer_(std::move(transfer)) {}

  ~RecordedTransfer() override {
    if (waited_) return;
    recording_->ledger.BeginWait(index_);
    transfer_.reset();
    recording_->ledger.End(index_);
  }

  void Wait() override {
    End([&] { transfer_->Wait(); });
  }
  void Release() override {
    End([&] { transfer_->Release(); });
  }

 private:
  template <typename Function>
  void End(const Function& run) {
    if (waited_) return;
    waited_ = true;
    recording_->ledger.BeginWait(index_);
    RecordEnd(*recording_, index_, run);
  }

  std::shared_ptr<Recording> recording_;
  int64_t index_;
  std::unique_ptr<Transfer> transfer_;
  bool waited_ = false;
};

CallArguments TensorArguments(const at::Tensor& tensor) {
  return {.type = static_cast<int>(tensor.scalar_type()),
          .sizes = {tensor.sizes().data(), tensor.sizes().size()}};
}

CallArguments ShardArguments(const at::Tensor& tensor, const std::vector<int64_t>& rows) {
  CallArguments arguments = TensorArguments(tensor);
  arguments.shard_rows = rows;
  return arguments;
}

class RecordedCommunicator : public Communicator {
 public:
  RecordedCommunicator(Communicator& inner, std::unique_ptr<Communicator> owned,
                       std::shared_ptr<Recording> recording, std::string uid,
                       const std::string& name, std::vector<int> members)
      : inner_(inner),
        owned_(std::move(owned)),
        recording_(std::move(recording)),
        uid_(std::move(uid)),
        members_(std::move(members)),
        group_(recording_->ledger.AddGroup(uid_, name, members_)) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }

  void Barrier() override {
    Collective(LedgerCall::Barrier, {}, [&] { inner_.Barrier(); });
  }

  void Broadcast(at::Tensor& tensor, int root) override {
    CallArguments arguments = TensorArguments(tensor);
    arguments.peer = WorldRank(root);
    Collective(LedgerCall::Broadcast, arguments, [&] { inner_.Broadcast(tensor, root); });
  }

  at::Tensor AllGather(const at::Tensor& tensor) override {
    return Collective(LedgerCall::AllGather, TensorArguments(tensor),
                      [&] { return inner_.AllGather(tensor); });
  }

  std::vector<std::string> AllGatherBytes(const std::string& bytes) override {
    return Collective(LedgerCall::AllGatherBytes, {}, [&] { return inner_.AllGatherBytes(bytes); });
  }

  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override {
    CallArguments arguments = TensorArguments(send);
    if (!arguments.sizes.empty()) arguments.sizes.remove_prefix(1);
    arguments.send_rows = send_rows;
    arguments.receive_rows = recv_rows;
    return Start(LedgerCall::AllToAll, arguments,
                 [&] { return inner_.StartAllToAll(send, send_rows, recv_rows); });
  }

  void AllReduce(at::Tensor& tensor, Reduction reduction) override {
    const auto operation =
        reduction == Reduction::kMax ? LedgerCall::AllReduceMax : LedgerCall::AllReduceSum;
    Collective(operation, TensorArguments(tensor), [&] { inner_.AllReduce(tensor, reduction); });
  }

  at::Tensor ReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                           Reduction reduction) override {
    return Collective(LedgerCall::ReduceScatter, ShardArguments(tensor, rows),
                      [&] { return inner_.ReduceScatter(tensor, rows, reduction); });
  }

  RowExchange StartReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                                 Reduction reduction) override {
    return Start(LedgerCall::ReduceScatter, ShardArguments(tensor, rows),
                 [&] { return inner_.StartReduceScatter(tensor, rows, reduction); });
  }

  void AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) override {
    Collective(LedgerCall::AllGatherInto, ShardArguments(buffer, rows),
               [&] { inner_.AllGatherInto(buffer, rows); });
  }

  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) override {
    if (size() == 1) return inner_.Send(tensor, peer, tag);
    const int64_t index = BeginTransfer(LedgerCall::Send, tensor, peer, tag);
    return std::make_unique<RecordedTransfer>(recording_, index, inner_.Send(tensor, peer, tag));
  }

  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) override {
    if (size() == 1) return inner_.Receive(tensor, peer, tag);
    const int64_t index = BeginTransfer(LedgerCall::Receive, tensor, peer, tag);
    return std::make_unique<RecordedTransfer>(recording_, index, inner_.Receive(tensor, peer, tag));
  }

  std::vector<std::unique_ptr<Transfer>> Exchange(
      const std::vector<PointToPoint>& messages) override {
    if (size() == 1) return inner_.Exchange(messages);
    std::vector<int64_t> calls;
    for (const PointToPoint& message : messages) {
      const bool sends = message.direction == PointToPoint::kSend;
      calls.push_back(BeginTransfer(sends ? LedgerCall::Send : LedgerCall::Receive, message.tensor,
                                    message.peer, message.tag, num_exchanges_));
    }
    ++num_exchanges_;
    std::vector<std::unique_ptr<Transfer>> transfers = inner_.Exchange(messages);
    for (size_t i = 0; i < calls.size(); ++i) {
      transfers[i] =
          std::make_unique<RecordedTransfer>(recording_, calls[i], std::move(transfers[i]));
    }
    return transfers;
  }

  std::unique_ptr<Communicator> Split(int color, int key) override;

  void BeginAction(absl::string_view what) override { recording_->ledger.BeginAction(what); }
  void EndAction() override { recording_->ledger.EndAction(); }

  [[noreturn]] void Abort(int exit_code) override {
    inner_.Abort(exit_code);
    std::_Exit(exit_code);
  }

 private:
  template <typename Function>
  std::invoke_result_t<Function> Collective(LedgerCall::Operation operation,
                                            const CallArguments& arguments, const Function& run) {
    if (size() == 1) return run();
    const int64_t index = recording_->ledger.BeginCollective(group_, operation, arguments);
    return RecordEnd(*recording_, index, run);
  }

  // A collective that is waited for later.
  template <typename Function>
  RowExchange Start(LedgerCall::Operation operation, const CallArguments& arguments,
                    const Function& run) {
    if (size() == 1) return run();
    const int64_t index = recording_->ledger.StartCollective(group_, operation, arguments);
    RowExchange exchange = ReportFailure(*recording_, run);
    exchange.transfer =
        std::make_unique<RecordedTransfer>(recording_, index, std::move(exchange.transfer));
    return exchange;
  }

  int64_t BeginTransfer(LedgerCall::Operation operation, const at::Tensor& tensor, int peer,
                        int tag, int64_t exchange = -1) {
    CallArguments arguments = TensorArguments(tensor);
    arguments.peer = WorldRank(peer);
    arguments.tag = tag;
    arguments.exchange = exchange;
    return recording_->ledger.BeginTransfer(group_, operation, arguments);
  }

  // Whoever is no member is left for the transport to refuse.
  int WorldRank(int rank) const { return rank >= 0 && rank < size() ? members_[rank] : -1; }

  Communicator& inner_;
  std::unique_ptr<Communicator> owned_;  // what inner_ is, of a group that was split off
  std::shared_ptr<Recording> recording_;
  std::string uid_;
  std::vector<int> members_;  // world ranks
  int group_;
  int64_t num_splits_ = 0, num_exchanges_ = 0;
};

std::unique_ptr<Communicator> RecordedCommunicator::Split(int color, int key) {
  std::unique_ptr<Communicator> part =
      Collective(LedgerCall::Split, {}, [&] { return inner_.Split(color, key); });
  // Members split in the same order, so the number of the split is the same on all of them.
  std::string uid = absl::StrCat(uid_, "/", num_splits_++, ":", color);
  const at::Tensor mine = at::full({1}, members_[rank()], at::kLong);
  const at::Tensor all = part->AllGather(mine);
  std::vector<int> members;
  for (int r = 0; r < part->size(); ++r) {
    members.push_back(static_cast<int>(all.data_ptr<int64_t>()[r]));
  }
  const std::string action = recording_->ledger.action();
  const size_t last = action.rfind(", ");
  const std::string called = action.empty()              ? absl::StrCat("group ", uid)
                             : last == std::string::npos ? action
                                                         : action.substr(last + 2);
  std::string name = absl::StrCat(
      called, " {",
      members.size() <= 8 ? absl::StrJoin(members, ", ")
                          : absl::StrCat(members[0], " and ", members.size() - 1, " others"),
      "}");
  Communicator& inner = *part;
  return std::make_unique<RecordedCommunicator>(inner, std::move(part), recording_, std::move(uid),
                                                std::move(name), std::move(members));
}

}  // namespace

std::unique_ptr<Communicator> MakeRecordedCommunicator(Communicator& world,
                                                       std::shared_ptr<Recording> recording) {
  std::vector<int> members(world.size());
  for (int r = 0; r < world.size(); ++r) members[r] = r;
  return std::make_unique<RecordedCommunicator>(world, nullptr, std::move(recording), "world",
                                                "world", std::move(members));
}

}  // namespace deduce
