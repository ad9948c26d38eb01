// What a group of ranks can do together. One rank is not a special case: the one-member group is
// the identity. Transports: one_member (here), thread_communicator (ranks as threads, tests),
// mpi_communicator, cuda/nccl_communicator. recorded_communicator wraps any of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace deduce {

// A transfer under way, as an event: what this rank does with the tensor after Wait comes after the
// transfer. On the CPU Wait returns when the transfer is over. A device's transport only makes the
// stream that the caller works on wait, and the host goes on. Destroying it may wait too, and keeps
// the memory until the transfer is over.
class Transfer {
 public:
  virtual ~Transfer() = default;
  virtual void Wait() = 0;
  // For a sender that has no more use for the tensor: as Wait where the memory is free only then,
  // and nothing where the transport keeps it as long as it needs it.
  virtual void Release() { Wait(); }
};

// One that was over when it began, as a message in memory is for its sender.
class FinishedTransfer : public Transfer {
 public:
  void Wait() override {}
};

// Several, as one.
class Transfers : public Transfer {
 public:
  void Add(std::unique_ptr<Transfer> transfer) { transfers_.push_back(std::move(transfer)); }
  void Wait() override {
    for (const std::unique_ptr<Transfer>& transfer : transfers_) transfer->Wait();
  }

 private:
  std::vector<std::unique_ptr<Transfer>> transfers_;
};

// A message of an exchange: the tensor is read and must live, unchanged, until Wait, or it is
// written.
struct PointToPoint {
  enum Direction { kSend, kReceive };
  Direction direction = kSend;
  at::Tensor tensor;
  int peer = 0;
  int tag = 0;
};

// An all-to-all under way: the rows may be read after Wait.
struct RowExchange {
  at::Tensor received;
  std::unique_ptr<Transfer> transfer;
};

// How AllReduce and ReduceScatter put the elements of ranks together.
enum class Reduction {
  kTreeSum,  // in the order of TreeSum over rank indices: the same bits on every transport
  kSum,      // in whatever order the transport is fastest; of integers the same as kTreeSum
  kMax,      // of numbers, no NaN among them
};

// Tensors are contiguous, on the CPU, of any type; sizes beyond 2^31 bytes are allowed. Every
// "Collective" must be entered by all ranks of the group in the same order. A transport's own
// failure throws c10::Error with rank and operation.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // Collective. Returns when all ranks have entered.
  virtual void Barrier() = 0;

  // Collective. Copies root's tensor into everybody's; same shape and type on all ranks.
  virtual void Broadcast(at::Tensor& tensor, int root) = 0;

  // Collective. Same shape and type on all ranks; returns [size, ...] with rank r's tensor at index
  // r.
  virtual at::Tensor AllGather(const at::Tensor& tensor) = 0;

  // Collective. Byte strings of any length; returns one per rank, in rank order.
  virtual std::vector<std::string> AllGatherBytes(const std::string& bytes) = 0;

  // Collective. Uneven exchange along dimension 0: the first send_rows[0] rows of `send` go to rank
  // 0, the next to rank 1, and so on; returns the received rows in rank order. recv_rows[r] must
  // equal what rank r sends here. Zero rows are allowed.
  at::Tensor AllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                      const std::vector<int64_t>& recv_rows) {
    RowExchange exchange = StartAllToAll(send, send_rows, recv_rows);
    exchange.transfer->Wait();
    return std::move(exchange.received);
  }

  // Collective. AllToAll without waiting; other calls of the group may come before Wait. `send`
  // must stay unchanged until then.
  virtual RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                                    const std::vector<int64_t>& recv_rows) = 0;

  // Collective. In place, element by element over ranks; same shape and type, and afterwards the
  // same bits, on all ranks. Here: kTreeSum for kSum.
  virtual void AllReduce(at::Tensor& tensor, Reduction reduction);

  // Collective. The sum over ranks of `tensor` [sum of rows, ...], of which rank r gets the next
  // rows[r] rows: returns [rows[rank], ...]. Same shape, type and rows on all ranks; zero rows are
  // allowed. kMax is a programming error.
  virtual at::Tensor ReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                                   Reduction reduction);

  // Collective. ReduceScatter without waiting: received is the sum, after Wait. Other calls of the
  // group may come before Wait; `tensor` must stay unchanged until then. Here: StartTreeSum.
  virtual RowExchange StartReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                                         Reduction reduction);

  // Collective. Shards of `buffer` [sum of rows, ...], the next rows[r] of which are rank r's,
  // reach all ranks, in place. Same shape, type and rows on all ranks; zero rows are allowed. Here:
  // one Broadcast a shard.
  virtual void AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows);

  // Non-blocking, matched by (peer, tag) in the order of issue. The tensor must live, unchanged,
  // until Wait.
  virtual std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) = 0;
  virtual std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) = 0;

  // Sends and receives that begin together, so that none of them waits for another to be over; one
  // transfer for each, in their order. They are matched as Send and Receive are, with which they
  // may be mixed. Here and on all transports of the CPU, one after the other is together: none
  // blocks. A transport that ends its messages in the order of issue (NCCL) ends those of one
  // exchange together.
  virtual std::vector<std::unique_ptr<Transfer>> Exchange(
      const std::vector<PointToPoint>& messages);

  // Collective. Ranks of equal color form a group, ordered by (key, rank).
  virtual std::unique_ptr<Communicator> Split(int color, int key) = 0;

  // What this rank does from here to EndAction, told to whoever explains why a job hangs; a
  // transport has no use for it. A group that is split off meanwhile is called after it. Prefer
  // ActionScope.
  virtual void BeginAction(absl::string_view /*what*/) {}
  virtual void EndAction() {}

  // Ends every rank of the whole job, at once, with this exit code. Never returns.
  [[noreturn]] virtual void Abort(int exit_code) = 0;
};

// An action, while it lives.
class ActionScope {
 public:
  ActionScope(Communicator& group, absl::string_view what) : group_(group) {
    group_.BeginAction(what);
  }
  ~ActionScope() { group_.EndAction(); }
  ActionScope(const ActionScope&) = delete;
  ActionScope& operator=(const ActionScope&) = delete;

 private:
  Communicator& group_;
};

std::unique_ptr<Communicator> MakeOneMemberCommunicator();

// Sums parts[0..n) (all defined, same shape) in the project's one tree: T(r, q) = parts[r] if r + q
// >= n, else T(r, 2q) + T(r + q, 2q), and the sum is T(0, 1). With this order the classes r mod q
// are complete subtrees, so ranks that hold every q-th part can add up their own before they meet
// (DESIGN.md, Numerics). The sum of one part is that part, not a copy.
at::Tensor TreeSum(std::vector<at::Tensor> parts);

// Collective. A copy of `tensor` after AllReduce by kTreeSum.
at::Tensor AllReduceSum(Communicator& group, const at::Tensor& tensor);

// Collective. StartReduceScatter by kTreeSum over the first num_adding ranks alone; the others give
// no rows: `tensor` [0, ...]. Every element travels once.
RowExchange StartTreeSum(Communicator& group, const at::Tensor& tensor,
                         const std::vector<int64_t>& rows, int num_adding);

// Collective. The rank-local statuses of all ranks become one: OK if all are, else the error of the
// lowest rank that has one (prefixed by nothing), so that all ranks return the same Status and none
// waits.
absl::Status AgreeOnStatus(Communicator& group, const absl::Status& local);

}  // namespace deduce
