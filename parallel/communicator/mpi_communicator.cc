#include "parallel/communicator/mpi_communicator.h"

#include <ATen/ops/empty.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "parallel/communicator/launcher.h"
#include "parallel/communicator/payload.h"

namespace deduce {
namespace {

constexpr int kAllToAllTag = 0;  // tag t of a user travels as t + 1

// Shards that are too large for one call pass through this much memory at most.
constexpr int64_t kMaxStagedBytes = 1 << 26;

void CheckMpi(int code, const char* operation) {
  if (code == MPI_SUCCESS) return;
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  TORCH_CHECK(false, operation, " failed on rank ", rank, ": ", std::string(text, length));
}

// The one check of MPI's results.
#define CHECKED_MPI(function, ...) CheckMpi(function(__VA_ARGS__), #function)

// Calls move(pointer, bytes) for pieces of at most chunk_bytes, MPI's counts being ints; once, with
// nothing, for an empty range.
template <typename Move>
void ForEachChunk(char* data, int64_t bytes, int64_t chunk_bytes, const Move& move) {
  int64_t begin = 0;
  do {
    const int64_t count = std::min(chunk_bytes, bytes - begin);
    move(data + begin, static_cast<int>(count));
    begin += count;
  } while (begin < bytes);
}

void BroadcastBytes(char* data, int64_t bytes, int64_t chunk_bytes, int root, MPI_Comm comm) {
  ForEachChunk(data, bytes, chunk_bytes, [&](char* chunk, int count) {
    CHECKED_MPI(MPI_Bcast, chunk, count, MPI_BYTE, root, comm);
  });
}

// Shards of `data`, of so many bytes a rank, reach all ranks. In one call if its counts allow that,
// else through other memory, a piece of every shard at a time.
void AllGatherShards(char* data, const std::vector<int64_t>& bytes, int rank, int64_t chunk_bytes,
                     MPI_Comm comm) {
  const int size = static_cast<int>(bytes.size());
  const int64_t total = std::accumulate(bytes.begin(), bytes.end(), int64_t{0});
  const int64_t largest = *std::max_element(bytes.begin(), bytes.end());
  const int64_t piece = total <= chunk_bytes
                            ? largest
                            : std::max<int64_t>(1, std::min(chunk_bytes, kMaxStagedBytes) / size);
  std::vector<int> counts(size), places(size);
  std::string staged;
  int64_t done = 0;
  do {
    int64_t place = 0;
    for (int r = 0; r < size; ++r) {
      counts[r] = static_cast<int>(std::clamp<int64_t>(bytes[r] - done, 0, piece));
      places[r] = static_cast<int>(place);
      place += counts[r];
    }
    char* to = data;
    if (total > chunk_bytes) {
      staged.resize(place);
      to = staged.data();
      const int64_t before =
          std::accumulate(bytes.begin(), bytes.begin() + rank, int64_t{0}) + done;
      std::memcpy(to + places[rank], data + before, counts[rank]);
    }
    CHECKED_MPI(MPI_Allgatherv, MPI_IN_PLACE, 0, MPI_BYTE, to, counts.data(), places.data(),
                MPI_BYTE, comm);
    for (int64_t r = 0, begin = done; to != data && r < size; begin += bytes[r++]) {
      std::memcpy(data + begin, to + places[r], counts[r]);
    }
    done += piece;
  } while (done < largest);
}

// The name that MPI has for the tensor's type; MPI_DATATYPE_NULL if it cannot add such numbers up.
MPI_Datatype NumberType(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kInt:
      return MPI_INT32_T;
    case at::kLong:
      return MPI_INT64_T;
    default:
      return MPI_DATATYPE_NULL;
  }
}

// Whether MPI's own reduction has the result that is asked for.
bool ReducesNatively(const at::Tensor& tensor, Reduction reduction) {
  return NumberType(tensor) != MPI_DATATYPE_NULL &&
         (reduction != Reduction::kTreeSum || !tensor.is_floating_point());
}

// Whether this host has more ranks than cores; known once MPI has started.
bool cores_are_shared = false;

// Collective.
bool HostHasMoreRanksThanCores() {
  MPI_Comm host = MPI_COMM_NULL;
  CHECKED_MPI(MPI_Comm_split_type, MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
  int ranks = 1;
  CHECKED_MPI(MPI_Comm_size, host, &ranks);
  CHECKED_MPI(MPI_Comm_free, &host);
  return ranks > static_cast<int>(std::thread::hardware_concurrency());
}

// MPI waits busily. A rank that yields still looks like work to the scheduler, which then may leave
// two ranks that compute on one core and two that wait on another; so ranks that share cores sleep.
void WaitFor(MPI_Request& request, MPI_Status& status) {
  constexpr int kTries = 100;
  constexpr std::chrono::microseconds kNap(50);
  if (!cores_are_shared) return CHECKED_MPI(MPI_Wait, &request, &status);
  int done = 0;
  for (int tries = 0; done == 0; ++tries) {
    if (tries >= kTries) std::this_thread::sleep_for(kNap);
    CHECKED_MPI(MPI_Test, &request, &done, &status);
  }
}

// Requests of one message, with the tensor they read or write.
class MpiTransfer : public Transfer {
 public:
  MpiTransfer(at::Tensor tensor, int64_t chunk_bytes)
      : tensor_(std::move(tensor)), chunk_bytes_(chunk_bytes) {}

  ~MpiTransfer() override {
    if (requests_.empty()) return;
    if (std::uncaught_exceptions() == exceptions_at_start_) {
      MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
    } else {
      // While a rank unwinds, its peers may never answer. The memory is left to MPI for good; the
      // job is about to end.
      (void)new at::Tensor(std::move(tensor_));
    }
  }

  MpiTransfer(const MpiTransfer&) = delete;
  MpiTransfer& operator=(const MpiTransfer&) = delete;

  void StartSend(int peer, int tag, MPI_Comm comm) {
    ForEachChunk(PayloadBytes(tensor_), static_cast<int64_t>(tensor_.nbytes()), chunk_bytes_,
                 [&](char* chunk, int count) {
                   CHECKED_MPI(MPI_Isend, chunk, count, MPI_BYTE, peer, tag, comm,
                               &requests_.emplace_back(MPI_REQUEST_NULL));
                 });
  }

  void StartReceive(int peer, int tag, MPI_Comm comm) {
    receives_ = true;
    ForEachChunk(PayloadBytes(tensor_), static_cast<int64_t>(tensor_.nbytes()), chunk_bytes_,
                 [&](char* chunk, int count) {
                   CHECKED_MPI(MPI_Irecv, chunk, count, MPI_BYTE, peer, tag, comm,
                               &requests_.emplace_back(MPI_REQUEST_NULL));
                 });
  }

  void Wait() override {
    int64_t bytes = 0;
    for (MPI_Request& request : requests_) {
      MPI_Status status;
      WaitFor(request, status);
      int count = 0;
      if (receives_) CHECKED_MPI(MPI_Get_count, &status, MPI_BYTE, &count);
      bytes += count;
    }
    const bool first_wait = !requests_.empty();
    requests_.clear();
    TORCH_CHECK(!receives_ || !first_wait || bytes == static_cast<int64_t>(tensor_.nbytes()),
                "Receive: found a message of ", bytes, " bytes, expected ", tensor_.nbytes());
  }

 private:
  at::Tensor tensor_;
  int64_t chunk_bytes_;
  std::vector<MPI_Request> requests_;
  bool receives_ = false;
  int exceptions_at_start_ = std::uncaught_exceptions();
};

class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator(MPI_Comm comm, bool owned, int64_t chunk_bytes)
      : comm_(comm), owned_(owned), chunk_bytes_(chunk_bytes) {
    CHECKED_MPI(MPI_Comm_set_errhandler, comm_, MPI_ERRORS_RETURN);
    CHECKED_MPI(MPI_Comm_rank, comm_, &rank_);
    CHECKED_MPI(MPI_Comm_size, comm_, &size_);
  }

  // MPI_Comm_free is collective and could wait for a rank that unwinds; the job is about to end
  // then.
  ~MpiCommunicator() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (owned_ && finalized == 0 && std::uncaught_exceptions() == exceptions_at_start_)
      MPI_Comm_free(&comm_);
  }

  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void Barrier() override { CHECKED_MPI(MPI_Barrier, comm_); }
  void Broadcast(at::Tensor& tensor, int root) override;
  at::Tensor AllGather(const at::Tensor& tensor) override;
  std::vector<std::string> AllGatherBytes(const std::string& bytes) override;
  RowExchange StartAllToAll(const at::Tensor& send, const std::vector<int64_t>& send_rows,
                            const std::vector<int64_t>& recv_rows) override;
  void AllReduce(at::Tensor& tensor, Reduction reduction) override;
  at::Tensor ReduceScatter(const at::Tensor& tensor, const std::vector<int64_t>& rows,
                           Reduction reduction) override;
  void AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) override;
  std::unique_ptr<Transfer> Send(const at::Tensor& tensor, int peer, int tag) override;
  std::unique_ptr<Transfer> Receive(at::Tensor& tensor, int peer, int tag) override;
  std::unique_ptr<Communicator> Split(int color, int key) override;

  [[noreturn]] void Abort(int exit_code) override {
    MPI_Abort(MPI_COMM_WORLD, exit_code);
    std::_Exit(exit_code);
  }

 private:
  MPI_Comm comm_;
  bool owned_;
  int64_t chunk_bytes_;
  int rank_ = 0;
  int size_ = 1;
  int exceptions_at_start_ = std::uncaught_exceptions();
};

void MpiCommunicator::Broadcast(at::Tensor& tensor, int root) {
  CheckPayload(tensor, "Broadcast");
  CheckMember(root, size_, "Broadcast");
  BroadcastBytes(PayloadBytes(tensor), static_cast<int64_t>(tensor.nbytes()), chunk_bytes_, root,
                 comm_);
}

at::Tensor MpiCommunicator::AllGather(const at::Tensor& tensor) {
  CheckPayload(tensor, "AllGather");
  std::vector<int64_t> sizes = tensor.sizes().vec();
  sizes.insert(sizes.begin(), size_);
  at::Tensor gathered = at::empty(sizes, tensor.options().requires_grad(false));
  const int64_t bytes = tensor.nbytes();
  char* to = PayloadBytes(gathered);
  if (bytes * size_ <= chunk_bytes_) {
    const int count = static_cast<int>(bytes);
    CHECKED_MPI(MPI_Allgather, PayloadBytes(tensor), count, MPI_BYTE, to, count, MPI_BYTE, comm_);
    return gathered;
  }
  std::memcpy(to + rank_ * bytes, PayloadBytes(tensor), bytes);
  AllGatherShards(to, std::vector<int64_t>(size_, bytes), rank_, chunk_bytes_, comm_);
  return gathered;
}

std::vector<std::string> MpiCommunicator::AllGatherBytes(const std::string& bytes) {
  std::vector<int64_t> lengths(size_);
  const int64_t length = static_cast<int64_t>(bytes.size());
  CHECKED_MPI(MPI_Allgather, &length, 1, MPI_INT64_T, lengths.data(), 1, MPI_INT64_T, comm_);
  std::string all(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}), '\0');
  if (!all.empty()) {
    const int64_t before = std::accumulate(lengths.begin(), lengths.begin() + rank_, int64_t{0});
    bytes.copy(all.data() + before, bytes.size());
    AllGatherShards(all.data(), lengths, rank_, chunk_bytes_, comm_);
  }
  std::vector<std::string> result;
  for (int64_t r = 0, begin = 0; r < size_; begin += lengths[r++])
    result.push_back(all.substr(begin, lengths[r]));
  return result;
}

void MpiCommunicator::AllReduce(at::Tensor& tensor, Reduction reduction) {
  CheckPayload(tensor, "AllReduce");
  if (!ReducesNatively(tensor, reduction)) return Communicator::AllReduce(tensor, reduction);
  const auto element = static_cast<int64_t>(tensor.element_size());
  const int64_t whole = std::max(chunk_bytes_ / element, int64_t{1}) * element;
  ForEachChunk(PayloadBytes(tensor), static_cast<int64_t>(tensor.nbytes()), whole,
               [&](char* chunk, int count) {
                 CHECKED_MPI(MPI_Allreduce, MPI_IN_PLACE, chunk, static_cast<int>(count / element),
                             NumberType(tensor), reduction == Reduction::kMax ? MPI_MAX : MPI_SUM,
                             comm_);
               });
}

at::Tensor MpiCommunicator::ReduceScatter(const at::Tensor& tensor,
                                          const std::vector<int64_t>& rows, Reduction reduction) {
  CheckPayload(tensor, "ReduceScatter");
  CheckShards(tensor, rows, size_, "ReduceScatter");
  if (reduction == Reduction::kMax || !ReducesNatively(tensor, reduction) ||
      static_cast<int64_t>(tensor.nbytes()) > chunk_bytes_)
    return Communicator::ReduceScatter(tensor, rows, reduction);
  at::Tensor sum = EmptyRows(tensor.detach(), rows[rank_]);
  std::vector<int> counts;
  for (const int64_t count : rows) {
    counts.push_back(
        static_cast<int>(count * RowBytes(tensor) / static_cast<int64_t>(tensor.element_size())));
  }
  CHECKED_MPI(MPI_Reduce_scatter, PayloadBytes(tensor), PayloadBytes(sum), counts.data(),
              NumberType(tensor), MPI_SUM, comm_);
  return sum;
}

void MpiCommunicator::AllGatherInto(at::Tensor& buffer, const std::vector<int64_t>& rows) {
  CheckPayload(buffer, "AllGatherInto");
  CheckShards(buffer, rows, size_, "AllGatherInto");
  std::vector<int64_t> bytes;
  for (const int64_t count : rows) bytes.push_back(count * RowBytes(buffer));
  if (buffer.numel() > 0) AllGatherShards(PayloadBytes(buffer), bytes, rank_, chunk_bytes_, comm_);
}

// Point to point, because the ranks cannot know of each other whether all counts are small enough
// for MPI_Alltoallv, and would need another collective to agree on it.
RowExchange MpiCommunicator::StartAllToAll(const at::Tensor& send,
                                           const std::vector<int64_t>& send_rows,
                                           const std::vector<int64_t>& recv_rows) {
  CheckRows(send, send_rows, recv_rows, size_);
  TORCH_CHECK(send_rows[rank_] == recv_rows[rank_], "AllToAll: rank ", rank_, " sends itself ",
              send_rows[rank_], " rows, expects ", recv_rows[rank_]);
  int64_t num_received = 0;
  for (const int64_t rows : recv_rows) num_received += rows;
  const at::Tensor from = send.detach();
  const at::Tensor received = EmptyRows(from, num_received);
  auto transfers = std::make_unique<Transfers>();
  for (int64_t r = 0, row = 0; r < size_; row += recv_rows[r++]) {
    if (r == rank_ || recv_rows[r] == 0) continue;
    auto transfer =
        std::make_unique<MpiTransfer>(received.narrow(0, row, recv_rows[r]), chunk_bytes_);
    transfer->StartReceive(r, kAllToAllTag, comm_);
    transfers->Add(std::move(transfer));
  }
  for (int64_t r = 0, row = 0; r < size_; row += send_rows[r++]) {
    if (send_rows[r] == 0) continue;
    const at::Tensor rows = from.narrow(0, row, send_rows[r]);
    if (r == rank_) {
      int64_t first = 0;
      for (int before = 0; before < rank_; ++before) first += recv_rows[before];
      at::Tensor kept = received.narrow(0, first, recv_rows[r]);
      OverwritePayload(kept, rows, "AllToAll");
    } else {
      auto transfer = std::make_unique<MpiTransfer>(rows, chunk_bytes_);
      transfer->StartSend(r, kAllToAllTag, comm_);
      transfers->Add(std::move(transfer));
    }
  }
  return {received, std::move(transfers)};
}

std::unique_ptr<Transfer> MpiCommunicator::Send(const at::Tensor& tensor, int peer, int tag) {
  CheckPayload(tensor, "Send");
  CheckMember(peer, size_, "Send");
  auto transfer = std::make_unique<MpiTransfer>(tensor, chunk_bytes_);
  transfer->StartSend(peer, tag + 1, comm_);
  return transfer;
}

std::unique_ptr<Transfer> MpiCommunicator::Receive(at::Tensor& tensor, int peer, int tag) {
  CheckPayload(tensor, "Receive");
  CheckMember(peer, size_, "Receive");
  auto transfer = std::make_unique<MpiTransfer>(tensor, chunk_bytes_);
  transfer->StartReceive(peer, tag + 1, comm_);
  return transfer;
}

std::unique_ptr<Communicator> MpiCommunicator::Split(int color, int key) {
  MPI_Comm part = MPI_COMM_NULL;
  CHECKED_MPI(MPI_Comm_split, comm_, color, key, &part);
  return std::make_unique<MpiCommunicator>(part, /*owned=*/true, chunk_bytes_);
}

void FinalizeMpi() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized == 0) MPI_Finalize();
}

}  // namespace

std::unique_ptr<Communicator> MakeMpiWorld(int* argc, char*** argv, int64_t max_message_bytes) {
  TORCH_CHECK(max_message_bytes >= 1 && max_message_bytes <= std::numeric_limits<int>::max(),
              "MakeMpiWorld: found pieces of ", max_message_bytes,
              " bytes, expected 1 .. 2^31 - 1");
  int initialized = 0;
  CHECKED_MPI(MPI_Initialized, &initialized);
  if (initialized == 0) {
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", /*overwrite=*/0);
    // Ranks of one machine need no ports: anybody who reaches one could hold a rank up.
    if (const auto launched = ReadLaunchedRank(); launched && launched->on_one_machine())
      setenv("OMPI_MCA_btl", "self,vader", /*overwrite=*/0);
    int provided = MPI_THREAD_SINGLE;
    CHECKED_MPI(MPI_Init_thread, argc, argv, MPI_THREAD_FUNNELED, &provided);
    TORCH_CHECK(provided >= MPI_THREAD_FUNNELED, "MPI_Init_thread: found thread level ", provided,
                ", expected at least ", MPI_THREAD_FUNNELED);
    std::atexit(FinalizeMpi);
    cores_are_shared = HostHasMoreRanksThanCores();
  }
  return std::make_unique<MpiCommunicator>(MPI_COMM_WORLD, /*owned=*/false, max_message_bytes);
}

}  // namespace deduce
