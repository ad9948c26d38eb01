#include "parallel/communicator/thread_communicator.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "parallel/communicator/mailbox.h"
#include "parallel/communicator/payload.h"

namespace deduce {
namespace {

constexpr int kExchangeTag = -1;  // no user's

// What all ranks of one RunThreadRanks share: one lock for everything, and who has ended.
struct Job {
  explicit Job(int num_ranks) : ended(num_ranks, false) {}

  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr failure;  // the first one
  std::vector<bool> ended;     // by world rank: its body has returned or thrown
};

class ThreadGroup;

// What one rank brings to a collective. Copies, so that nobody reads the memory of a rank that has
// moved on.
struct Contribution {
  at::Tensor tensor = {};
  std::string bytes = {};
  int color = 0;
  int key = 0;
  std::shared_ptr<ThreadGroup> group = {};  // Split: the leader's new group
};
using Contributions = std::vector<Contribution>;

class ThreadGroup {
 public:
  ThreadGroup(std::shared_ptr<Job> job, std::vector<int> world_ranks)
      : job_(std::move(job)),
        world_ranks_(std::move(world_ranks)),
        arrived_(world_ranks_.size(), false),
        slots_(world_ranks_.size()) {}

  int size() const { return static_cast<int>(world_ranks_.size()); }
  const std::shared_ptr<Job>& job() const { return job_; }
  int world_rank(int rank) const { return world_ranks_[rank]; }

  // The one meeting point: returns everybody's contribution when all members have come.
  std::shared_ptr<const Contributions> Exchange(int rank, const char* operation,
                                                Contribution mine) {
    std::unique_lock lock(job_->mutex);
    CheckAlive(rank, operation);
    slots_[rank] = std::move(mine);
    arrived_[rank] = true;
    if (++num_arrived_ == size()) {
      met_ = std::make_shared<const Contributions>(std::move(slots_));
      slots_.assign(size(), {});
      arrived_.assign(size(), false);
      num_arrived_ = 0;
      ++meeting_;
      job_->changed.notify_all();
      return met_;
    }
    const int64_t meeting = meeting_;
    while (meeting_ == meeting) {
      CheckAlive(rank, operation);
      for (int r = 0; r < size(); ++r) {
        TORCH_CHECK(arrived_[r] || !job_->ended[world_ranks_[r]], operation, ": rank ", rank,
                    " waits for rank ", r, ", which has ended");
      }
      job_->changed.wait(lock);
    }
    return met_;  // the next meeting cannot happen before this rank comes to it
  }

  void Put(const Mailbox::Lane& lane, at::Tensor message) {
    std::lock_guard lock(job_->mutex);
    CheckAlive(lane.sender, "Send");
    mailbox_.Put(lane, std::move(message));
    job_->changed.notify_all();
  }

  int64_t Reserve(const Mailbox::Lane& lane) {
    std::lock_guard lock(job_->mutex);
    return mailbox_.Reserve(lane);
  }

  // Waits for a reserved message; nothing if it can never come, because the job has failed or the
  // sender has ended.
  std::optional<at::Tensor> Take(const Mailbox::Lane& lane, int64_t number) {
    std::unique_lock lock(job_->mutex);
    for (;;) {
      if (std::optional<at::Tensor> message = mailbox_.Take(lane, number)) return message;
      if (job_->failure || job_->ended[world_ranks_[lane.sender]]) return std::nullopt;
      job_->changed.wait(lock);
    }
  }

 private:
  void CheckAlive(int rank, const char* operation) const {
    TORCH_CHECK(!job_->failure, operation, ": rank ", rank, " of ", size(),
                " stops because another rank has failed");
  }

  std::shared_ptr<Job> job_;
  std::vector<int> world_ranks_;
  std::vector<bool> arrived_;
  Contributions slots_;
  int num_arrived_ = 0;
  int64_t meeting_ = 0;
  std::shared_ptr<const Contributions> met_;
  Mailbox mailbox_;
};

class ThreadReceive : public Transfer {
 public:
  ThreadReceive(std::shared_ptr<ThreadGroup> group, at::Tensor tensor, Mailbox::Lane lane)
      : group_(std::move(group)),
        tensor_(std::move(tensor)),
        lane_(lane),
        number_(group_->Reserve(lane)) {}

  ~ThreadReceive() override {
    // While a rank unwinds, its peers may not have learned yet that the message will never be sent.
    if (!done_ && std::uncaught_exceptions() == exceptions_at_start_) (void)Complete();
  }

  void Wait() override {
    if (done_) return;
    TORCH_CHECK(Complete(), "Receive: rank ", lane_.receiver, " waits for tag ", lane_.tag,
                " of rank ", lane_.sender,
                ", which found another shape or type, or a failed or ended rank");
  }

 private:
  // False if there is no message of this shape and type, now or later.
  bool Complete() {
    done_ = true;
    const std::optional<at::Tensor> message = group_->Take(lane_, number_);
    if (!message || message->sizes() != tensor_.sizes() ||
        message->scalar_type() != tensor_.scalar_type())
      return false;
    OverwritePayload(tensor_, *message, "Receive");
    return true;
  }

  std::shared_ptr<ThreadGroup> group_;
  at::Tensor tensor_;
  Mailbox::Lane lane_;
  int64_t number_;
  bool done_ = false;
  int exceptions_at_start_ = std::uncaught_exceptions();
};

class ThreadCommunicator : public Communicator {
 public:
  ThreadCommunicator(std::shared_ptr<ThreadGroup> group, int rank)
      : group_(std::move(group)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }
  void Barrier() override { group_->Exchange(rank_, "Barrier", {}); }
  void Broadcast(at::Tensor& tensor, int root) override;
  at::Tensor AllGather(const at::Tensor& tensor) override;
  std::vector<std::string> AllGatherBytes(const std::string& bytes) override;
  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override;
  void AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) override;
  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) override;
  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) override;
  std::unique_ptr<Communicator> Split(int color, int key) override;
  [[noreturn]] void Abort(int exit_code) override { std::_Exit(exit_code); }

 private:
  std::shared_ptr<ThreadGroup> group_;
  int rank_;
};

void ThreadCommunicator::Broadcast(at::Tensor& tensor, int root) {
  CheckPayload(tensor, "Broadcast");
  CheckMember(root, size(), "Broadcast");
  const auto all = group_->Exchange(rank_, "Broadcast",
                                    {.tensor = rank_ == root ? CopyPayload(tensor) : at::Tensor()});
  const at::Tensor& from = (*all)[root].tensor;
  TORCH_CHECK(from.defined(), "Broadcast: rank ", rank_, " expects root ", root,
              ", which names another root");
  if (rank_ != root) OverwritePayload(tensor, from, "Broadcast");
}

at::Tensor ThreadCommunicator::AllGather(const at::Tensor& tensor) {
  CheckPayload(tensor, "AllGather");
  const auto all = group_->Exchange(rank_, "AllGather", {.tensor = CopyPayload(tensor)});
  std::vector<at::Tensor> tensors;
  for (const Contribution& one : *all) {
    TORCH_CHECK(
        one.tensor.sizes() == tensor.sizes() && one.tensor.scalar_type() == tensor.scalar_type(),
        "AllGather: found sizes ", one.tensor.sizes(), " and ", tensor.sizes(),
        ", expected the same on all ranks");
    tensors.push_back(one.tensor);
  }
  return at::stack(tensors);
}

std::vector<std::string> ThreadCommunicator::AllGatherBytes(const std::string& bytes) {
  const auto all = group_->Exchange(rank_, "AllGatherBytes", {.bytes = bytes});
  std::vector<std::string> result;
  for (const Contribution& one : *all) result.push_back(one.bytes);
  return result;
}

void ThreadCommunicator::AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) {
  CheckPayload(buffer, "AllGatherInto");
  CheckShards(buffer, rows, size(), "AllGatherInto");
  at::Tensor all = buffer.detach();
  const std::vector<at::Tensor> shards = all.split_with_sizes(rows);
  const auto theirs =
      group_->Exchange(rank_, "AllGatherInto", {.tensor = CopyPayload(shards[rank_])});
  for (int r = 0; r < size(); ++r) {
    at::Tensor shard = shards[r];
    if (r != rank_) OverwritePayload(shard, (*theirs)[r].tensor, "AllGatherInto");
  }
}

RowExchange ThreadCommunicator::StartAllToAll(const at::Tensor& send,
                                              const std::vector<int64_t>& send_rows,
                                              const std::vector<int64_t>& recv_rows) {
  CheckRows(send, send_rows, recv_rows, size());
  int64_t num_received = 0;
  for (const int64_t rows : recv_rows) num_received += rows;
  const at::Tensor from = send.detach();
  RowExchange exchange{EmptyRows(from, num_received), nullptr};
  auto transfers = std::make_unique<Transfers>();
  for (int64_t r = 0, row = 0; r < size(); row += recv_rows[r++]) {
    transfers->Add(
        std::make_unique<ThreadReceive>(group_, exchange.received.narrow(0, row, recv_rows[r]),
                                        Mailbox::Lane{static_cast<int>(r), rank_, kExchangeTag}));
  }
  for (int64_t r = 0, row = 0; r < size(); row += send_rows[r++]) {
    group_->Put({rank_, static_cast<int>(r), kExchangeTag},
                CopyPayload(from.narrow(0, row, send_rows[r])));
  }
  exchange.transfer = std::move(transfers);
  return exchange;
}

std::unique_ptr<Transfer> ThreadCommunicator::Send(const at::Tensor& tensor, int peer, int tag) {
  CheckPayload(tensor, "Send");
  CheckMember(peer, size(), "Send");
  group_->Put({rank_, peer, tag}, CopyPayload(tensor));
  return std::make_unique<FinishedTransfer>();
}

std::unique_ptr<Transfer> ThreadCommunicator::Receive(at::Tensor& tensor, int peer, int tag) {
  CheckPayload(tensor, "Receive");
  CheckMember(peer, size(), "Receive");
  return std::make_unique<ThreadReceive>(group_, tensor, Mailbox::Lane{peer, rank_, tag});
}

std::unique_ptr<Communicator> ThreadCommunicator::Split(int color, int key) {
  const auto all = group_->Exchange(rank_, "Split", {.color = color, .key = key});
  std::vector<int> members;  // ranks of this group
  for (int r = 0; r < size(); ++r) {
    if ((*all)[r].color == color) members.push_back(r);
  }
  std::stable_sort(members.begin(), members.end(),
                   [&](int a, int b) { return (*all)[a].key < (*all)[b].key; });
  Contribution mine;
  if (members[0] == rank_) {
    std::vector<int> world_ranks;
    for (const int member : members) world_ranks.push_back(group_->world_rank(member));
    mine.group = std::make_shared<ThreadGroup>(group_->job(), std::move(world_ranks));
  }
  const auto groups = group_->Exchange(rank_, "Split", std::move(mine));
  const auto place = std::find(members.begin(), members.end(), rank_) - members.begin();
  return std::make_unique<ThreadCommunicator>((*groups)[members[0]].group, static_cast<int>(place));
}

// One rank's life. The failure is recorded before the rank counts as ended, so that the first
// exception is the cause.
void RunRank(Job& job, const std::shared_ptr<ThreadGroup>& world, int rank,
             const std::function<void(Communicator&)>& body) {
  std::exception_ptr failure;
  try {
    {
      // The number of ATen's threads is a setting of each thread. Setting it is not safe to do
      // concurrently in a forked process.
      std::lock_guard lock(job.mutex);
      at::init_num_threads();
    }
    ThreadCommunicator communicator(world, rank);
    body(communicator);
  } catch (...) {
    failure = std::current_exception();
  }
  std::lock_guard lock(job.mutex);
  if (failure && !job.failure) job.failure = failure;
  job.ended[rank] = true;
  job.changed.notify_all();
}

}  // namespace

void RunThreadRanks(int num_ranks, const std::function<void(Communicator&)>& body) {
  TORCH_CHECK(num_ranks >= 1, "RunThreadRanks: found ", num_ranks, " ranks, expected at least 1");
  const auto job = std::make_shared<Job>(num_ranks);
  std::vector<int> world_ranks(num_ranks);
  for (int r = 0; r < num_ranks; ++r) world_ranks[r] = r;
  const auto world = std::make_shared<ThreadGroup>(job, std::move(world_ranks));
  std::vector<std::thread> threads;
  for (int r = 0; r < num_ranks; ++r) {
    threads.emplace_back([&, r] { RunRank(*job, world, r, body); });
  }
  for (std::thread& thread : threads) thread.join();
  if (job->failure) std::rethrow_exception(job->failure);
}

}  // namespace deduce
