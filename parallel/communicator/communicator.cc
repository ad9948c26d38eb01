#include "parallel/communicator/communicator.h"

#include <ATen/ops/add.h>
#include <ATen/ops/amax.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "configs/exit_code.h"
#include "parallel/communicator/mailbox.h"
#include "parallel/communicator/payload.h"

namespace deduce {
namespace {

// A message of the only member to itself.
class SelfReceive : public Transfer {
 public:
  SelfReceive(std::shared_ptr<Mailbox> mailbox, at::Tensor tensor, Mailbox::Lane lane)
      : mailbox_(std::move(mailbox)),
        tensor_(std::move(tensor)),
        lane_(lane),
        number_(mailbox_->Reserve(lane)) {}

  void Wait() override {
    if (done_) return;
    std::optional<at::Tensor> message = mailbox_->Take(lane_, number_);
    TORCH_CHECK(message.has_value(), "Receive: the only rank of a group waits for tag ", lane_.tag,
                ", which it has not sent");
    OverwritePayload(tensor_, *message, "Receive");
    done_ = true;
  }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  at::Tensor tensor_;
  Mailbox::Lane lane_;
  int64_t number_;
  bool done_ = false;
};

class OneMemberCommunicator : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void Barrier() override {}

  void Broadcast(at::Tensor& tensor, int root) override {
    CheckPayload(tensor, "Broadcast");
    CheckMember(root, 1, "Broadcast");
  }

  at::Tensor AllGather(const at::Tensor& tensor) override {
    CheckPayload(tensor, "AllGather");
    return CopyPayload(tensor).unsqueeze(0);
  }

  std::vector<std::string> AllGatherBytes(const std::string& bytes) override { return {bytes}; }

  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override {
    CheckRows(send, send_rows, recv_rows, 1);
    TORCH_CHECK(send_rows[0] == recv_rows[0], "AllToAll: the only rank sends itself ", send_rows[0],
                " rows, expects ", recv_rows[0]);
    return {CopyPayload(send), std::make_unique<FinishedTransfer>()};
  }

  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) override {
    CheckPayload(tensor, "Send");
    CheckMember(peer, 1, "Send");
    mailbox_->Put({0, 0, tag}, CopyPayload(tensor));
    return std::make_unique<FinishedTransfer>();
  }

  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) override {
    CheckPayload(tensor, "Receive");
    CheckMember(peer, 1, "Receive");
    return std::make_unique<SelfReceive>(mailbox_, tensor, Mailbox::Lane{0, 0, tag});
  }

  std::unique_ptr<Communicator> Split(int /*color*/, int /*key*/) override {
    return MakeOneMemberCommunicator();
  }

  [[noreturn]] void Abort(int exit_code) override { std::_Exit(exit_code); }

 private:
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
};

// T(r, q) of the header. Sums are formed in place once a buffer is ours.
at::Tensor SubtreeSum(const std::vector<at::Tensor>& parts, size_t r, size_t q) {
  if (r + q >= parts.size()) return parts[r];
  at::Tensor left = SubtreeSum(parts, r, 2 * q);
  const bool left_is_part = r + 2 * q >= parts.size();
  const at::Tensor right = SubtreeSum(parts, r + q, 2 * q);
  return left_is_part ? at::add(left, right) : left.add_(right);
}

// Below it, one message to everybody is quicker than two.
constexpr int64_t kSmallReductionBytes = 1 << 16;

// The sum of what a started exchange brings, once it has been waited for.
class TreeSumTransfer : public Transfer {
 public:
  TreeSumTransfer(RowExchange parts, at::Tensor sum)
      : parts_(std::move(parts)), sum_(std::move(sum)) {}

  void Wait() override {
    if (!parts_.transfer) return;
    parts_.transfer->Wait();
    parts_.transfer.reset();
    const int64_t rows = sum_.size(0);
    if (rows > 0) sum_.copy_(TreeSum(parts_.received.split(rows)));
    parts_.received.reset();
  }

 private:
  RowExchange parts_;
  at::Tensor sum_;
};

// size() shares of `count` that are as even as they go.
std::vector<int64_t> EvenRows(int64_t count, int64_t size) {
  std::vector<int64_t> rows(size);
  for (int64_t r = 0; r < size; ++r) rows[r] = count * (r + 1) / size - count * r / size;
  return rows;
}

}  // namespace

void Communicator::AllReduce(at::Tensor& tensor, Reduction reduction) {
  if (size() == 1) return;
  at::Tensor flat = tensor.detach().view({-1});
  if (reduction == Reduction::kMax) {
    flat.copy_(at::amax(AllGather(flat), 0));
  } else if (static_cast<int64_t>(tensor.nbytes()) <= kSmallReductionBytes) {
    flat.copy_(TreeSum(AllGather(flat).unbind(0)));
  } else {
    const std::vector<int64_t> rows = EvenRows(flat.numel(), size());
    int64_t begin = 0;
    for (int r = 0; r < rank(); ++r) begin += rows[r];
    flat.narrow(0, begin, rows[rank()]).copy_(ReduceScatter(flat, rows, reduction));
    AllGatherInto(flat, rows);
  }
}

at::Tensor Communicator::ReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                                       Reduction reduction) {
  RowExchange shard = StartReduceScatter(tensor, rows, reduction);
  shard.transfer->Wait();
  return std::move(shard.received);
}

RowExchange Communicator::StartReduceScatter(const at::Tensor& tensor,
                                             const std::vector<int64_t>& rows,
                                             Reduction reduction) {
  CheckShards(tensor, rows, size(), "ReduceScatter");
  TORCH_CHECK(reduction != Reduction::kMax, "ReduceScatter: found kMax, expected a sum");
  return StartTreeSum(*this, tensor, rows, size());
}

void Communicator::AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) {
  CheckShards(buffer, rows, size(), "AllGatherInto");
  if (size() == 1) return;
  at::Tensor all = buffer.detach();
  for (int64_t r = 0, begin = 0; r < size(); begin += rows[r++]) {
    at::Tensor shard = all.narrow(0, begin, rows[r]);
    if (rows[r] > 0) Broadcast(shard, static_cast<int>(r));
  }
}

std::vector<std::unique_ptr<Transfer>> Communicator::Exchange(
    const std::vector<PointToPoint>& messages) {
  std::vector<std::unique_ptr<Transfer>> transfers;
  for (const PointToPoint& message : messages) {
    at::Tensor tensor = message.tensor;
    transfers.push_back(message.direction == PointToPoint::kSend
                            ? Send(tensor, message.peer, message.tag)
                            : Receive(tensor, message.peer, message.tag));
  }
  return transfers;
}

std::unique_ptr<Communicator> MakeOneMemberCommunicator() {
  return std::make_unique<OneMemberCommunicator>();
}

at::Tensor TreeSum(std::vector<at::Tensor> parts) {
  TORCH_CHECK(!parts.empty(), "TreeSum: found no parts, expected at least one");
  for (const at::Tensor& part : parts) {
    TORCH_CHECK(part.defined() && part.sizes() == parts[0].sizes() &&
                    part.scalar_type() == parts[0].scalar_type(),
                "TreeSum: found parts that differ in shape or type, expected all like the first, ",
                parts[0].sizes());
  }
  return SubtreeSum(parts, 0, 1);
}

at::Tensor AllReduceSum(Communicator& group, const at::Tensor& tensor) {
  at::Tensor sum = CopyPayload(tensor);
  group.AllReduce(sum, Reduction::kTreeSum);
  return sum;
}

RowExchange StartTreeSum(Communicator& group, const at::Tensor& tensor,
                         const std::vector<int64_t>& rows, int num_adding) {
  const int rank = group.rank(), size = group.size();
  TORCH_CHECK(num_adding >= 1 && num_adding <= size, "StartTreeSum: found ", num_adding,
              " ranks that add, expected 1 .. ", size);
  const std::vector<int64_t> none(size, 0);
  std::vector<int64_t> receive_rows(size, 0);
  std::fill_n(receive_rows.begin(), num_adding, rows.at(rank));
  RowExchange parts = group.StartAllToAll(tensor, rank < num_adding ? rows : none, receive_rows);
  at::Tensor sum = EmptyRows(tensor.detach(), rows[rank]);
  return {sum, std::make_unique<TreeSumTransfer>(std::move(parts), sum)};
}

absl::Status AgreeOnStatus(Communicator& group, const absl::Status& local) {
  std::string mine;  // empty: OK; else the code and the exit code as a byte each, then the message
  if (!local.ok()) {
    mine.push_back(static_cast<char>(local.raw_code()));
    mine.push_back(local.GetPayload(kExitCodePayload) ? static_cast<char>(ExitCodeOf(local))
                                                      : '\0');
    mine.append(local.message().data(), local.message().size());
  }
  for (const std::string& theirs : group.AllGatherBytes(mine)) {
    if (theirs.empty()) continue;
    const absl::Status status(static_cast<absl::StatusCode>(theirs[0]), theirs.substr(2));
    return theirs[1] == 0 ? status : WithExitCode(status, static_cast<ExitCode>(theirs[1]));
  }
  return absl::OkStatus();
}

}  // namespace deduce
