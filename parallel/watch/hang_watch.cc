#include "parallel/watch/hang_watch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "parallel/watch/hang_diagnosis.h"
#include "parallel/watch/recorded_communicator.h"
#include "parallel/watch/watch_channel.h"
#include "parallel/watch/watch_server.h"

namespace deduce {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTick{100};
constexpr int kTicksBetweenDigests = 10;
constexpr double kAnswerSeconds = 2;  // for a watch to answer
constexpr double kStartSeconds = 20;  // for rank 0 to be reached at the start
constexpr int kAttempts = 3;          // more, where a connection is closed at its beginning
constexpr int kThreadsToAsk = 32;
constexpr milliseconds kEndWait{10000};     // for the others to end a process that exits too soon
constexpr milliseconds kFailureWait{5000};  // for an explanation of why a transport failed

void PrintLine(const char* kind, const std::string& text) {
  const std::string line = absl::StrCat("deduce: ", kind, ": ", text, "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

// This process's ledger. A process that exits in the middle of a run would wait in MPI's
// own end for the others; they should see that it will do nothing more, and end it first, for
// mpirun may crash or hang where some processes are at that end and others die.
std::atomic<Ledger*> ledger_of_process = nullptr;

void EndRunAtExit() {
  Ledger* ledger = ledger_of_process.load();
  if (ledger == nullptr) return;
  ledger->EndRun();
  std::this_thread::sleep_for(kEndWait);
}

}  // namespace

// Where every rank's watch is.
struct WatchPeers {
  int rank = 0;
  std::string secret;
  std::vector<WatchAddress> addresses;

  int size() const { return static_cast<int>(addresses.size()); }
  int num_hosts() const {
    std::set<std::string> hosts;
    for (const WatchAddress& address : addresses) hosts.insert(address.host());
    return static_cast<int>(hosts.size());
  }

  Reach ConnectTo(int peer, double seconds, Socket& socket) const {
    const bool loopback = addresses[peer].host() == addresses[rank].host();
    const Reach reach = Connect(addresses[peer], loopback, seconds, socket);
    if (reach != Reach::kConnected) return reach;
    return SendSecret(socket, secret) ? reach : Reach::kSilent;
  }
  WatchMessage Message(WatchMessage::Kind kind) const {
    WatchMessage message;
    message.set_from(rank);
    message.set_kind(kind);
    return message;
  }
  bool Read(const Socket& socket, double seconds, WatchMessage& message) const {
    return ReadMessage(socket, seconds, MaxFrameBytes(size()), message);
  }
  // One question and, if `answer` is given, its answer. A peer that is crowded by strangers may
  // drop a connection before it has seen the secret.
  Reach Tell(int peer, WatchMessage::Kind kind, WatchMessage* answer) const {
    for (int attempt = 0;; ++attempt) {
      Socket socket;
      const Reach reach = ConnectTo(peer, kAnswerSeconds, socket);
      if (reach == Reach::kRefused) return reach;
      if (reach == Reach::kConnected && SendMessage(socket, Message(kind)) &&
          (answer == nullptr || Read(socket, kAnswerSeconds, *answer)))
        return reach;
      if (attempt == kAttempts || !socket || !Readable(socket, 0)) return Reach::kSilent;
    }
  }
  // Calls tell(peer) for all others, some at a time.
  template <typename Function>
  void ForEachOther(const Function& tell) const {
    std::atomic<int> next = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < std::min(kThreadsToAsk, size() - 1); ++i) {
      threads.push_back(StartQuietThread([&] {
        for (int peer = next++; peer < size(); peer = next++) {
          if (peer != rank) tell(peer);
        }
      }));
    }
    for (std::thread& thread : threads) thread.join();
  }
};

class HangWatch::Running {
 public:
  Running(Communicator& world, const HangWatchOptions& options, WatchPeers peers, Socket listener)
      : options_(options),
        peers_(std::move(peers)),
        recording_(std::make_shared<Recording>(peers_.rank)),
        world_(MakeRecordedCommunicator(world, recording_)),
        news_(peers_.size()),
        server_(std::make_unique<WatchServer>(std::move(listener), peers_.secret,
                                              recording_->ledger, news_,
                                              [this] { EndProcess(); })) {}

  ~Running() { Stop(); }

  Communicator& world() { return *world_; }

  // Connects to rank 0, before Begin.
  absl::Status ReachRankZero();
  void Begin() {
    recording_->on_failure = [this](const std::string&) { ExplainFailure(); };
    watcher_ = StartQuietThread([this] { Watch(); });
    ledger_of_process = &recording_->ledger;
    static const bool registered = std::atexit(EndRunAtExit) == 0;
    (void)registered;
  }

 private:
  void Watch();
  void LookAtLifeline();
  void TellDigests();
  void LookAtOwnRank();
  void AskForExamination();
  void Examine();
  std::vector<RankState> Gather();
  void Judge(HangVerdict verdict, double seconds);
  void EndJob(const std::string& text);
  void EndProcess() const {
    if (!options_.on_hang) std::_Exit(static_cast<int>(ExitCode::kFailed));
  }
  void ExplainFailure();
  void ExplainLastDigests();
  void Stop();
  bool Over() {
    std::lock_guard lock(news_.mutex);
    return news_.over;
  }
  bool SendOnLifeline(WatchMessage::Kind kind, const LedgerRecord& record) {
    WatchMessage message = peers_.Message(kind);
    *message.mutable_record() = record;
    std::lock_guard lock(lifeline_mutex_);
    return lifeline_ && SendMessage(lifeline_, message);
  }

  const HangWatchOptions options_;
  const WatchPeers peers_;
  const std::shared_ptr<Recording> recording_;
  const std::unique_ptr<Communicator> world_;
  WatchNews news_;
  std::unique_ptr<WatchServer> server_;
  std::mutex lifeline_mutex_;
  Socket lifeline_;       // to rank 0, of the other ranks
  bool failed_ = false;   // this rank's transport; guarded by the mutex of news_
  bool stopped_ = false;  // likewise: the watcher ends
  std::thread watcher_;
  int exceptions_at_start_ = std::uncaught_exceptions();

  // Only the watcher's thread uses these.
  bool rank_zero_gone_ = false;
  double next_look_ = 0;
  std::chrono::steady_clock::time_point last_warning_;
  bool warned_ = false;
};

absl::Status HangWatch::Running::ReachRankZero() {
  if (peers_.rank == 0) return absl::OkStatus();
  for (int attempt = 0; attempt <= kAttempts; ++attempt) {
    lifeline_ = Socket();
    WatchMessage answer;
    if (peers_.ConnectTo(0, kStartSeconds, lifeline_) == Reach::kConnected &&
        SendOnLifeline(WatchMessage::hello, {}) && peers_.Read(lifeline_, kStartSeconds, answer))
      return absl::OkStatus();
    if (!lifeline_ || !Readable(lifeline_, 0)) break;
  }
  return absl::UnavailableError(absl::StrCat("watch: found no connection from rank ", peers_.rank,
                                             " to port ", peers_.addresses[0].port(),
                                             " of rank 0, expected one"));
}

void HangWatch::Running::Watch() {
  next_look_ = options_.look_seconds;
  for (int tick = 0;; ++tick) {
    bool examine = false;
    bool ask = false;
    {
      std::unique_lock lock(news_.mutex);
      news_.changed.wait_for(lock, kTick, [&] { return news_.examine || stopped_ || failed_; });
      if (stopped_ || news_.over) return;
      examine = std::exchange(news_.examine, false);
      ask = std::exchange(failed_, false);
    }
    if (examine) Examine();
    LookAtLifeline();
    if (tick % kTicksBetweenDigests == 0) TellDigests();
    if (ask) AskForExamination();
    LookAtOwnRank();
  }
}

void HangWatch::Running::LookAtLifeline() {
  if (peers_.rank == 0 || rank_zero_gone_ || !Readable(lifeline_, 0)) return;
  WatchMessage message;
  const bool released =
      peers_.Read(lifeline_, kAnswerSeconds, message) && message.kind() == WatchMessage::released;
  {
    std::lock_guard lock(news_.mutex);
    news_.released = true;  // either way, nobody is left to wait for
    news_.changed.notify_all();
  }
  rank_zero_gone_ = true;
  if (!released) AskForExamination();
}

void HangWatch::Running::TellDigests() {
  const LedgerRecord record = recording_->ledger.Record(/*max_calls=*/1);
  if (peers_.rank == 0) {
    server_->TakeDigests(record);
  } else if (!rank_zero_gone_) {
    SendOnLifeline(WatchMessage::digest, record);
  }
}

void HangWatch::Running::LookAtOwnRank() {
  const double seconds = recording_->ledger.SecondsBlocked();
  if (seconds < options_.look_seconds) next_look_ = options_.look_seconds;
  if (seconds < next_look_) return;
  AskForExamination();
  next_look_ = 2 * seconds;
  for (const double limit : {options_.hang_seconds / 10, options_.hang_seconds}) {
    if (limit > seconds) next_look_ = std::min(next_look_, limit);
  }
}

// The lowest rank that answers compares, so that one rank speaks.
void HangWatch::Running::AskForExamination() {
  for (int peer = 0; peer < peers_.rank; ++peer) {
    if (peer == 0 && rank_zero_gone_) continue;
    WatchMessage answer;
    if (peers_.Tell(peer, WatchMessage::examine, &answer) == Reach::kConnected) return;
    if (Over()) return;
  }
  Examine();
}

std::vector<RankState> HangWatch::Running::Gather() {
  std::vector<RankState> states(peers_.size());
  {
    std::lock_guard lock(news_.mutex);
    for (int rank = 0; rank < peers_.size(); ++rank) {
      states[rank].record = news_.last[rank];
      if (news_.gone[rank]) states[rank].status = RankState::kGone;
    }
  }
  states[peers_.rank] = {RankState::kAnswers, recording_->ledger.Record(INT64_MAX)};
  peers_.ForEachOther([&](int peer) {
    RankState& state = states[peer];
    WatchMessage answer;
    switch (peers_.Tell(peer, WatchMessage::ask_record, &answer)) {
      case Reach::kConnected:
        state = {RankState::kAnswers, std::move(*answer.mutable_record())};
        return;
      case Reach::kRefused:
        state.status = RankState::kGone;
        return;
      case Reach::kSilent:
        if (state.status != RankState::kGone) state.status = RankState::kSilent;
        return;
    }
  });
  return states;
}

void HangWatch::Running::Examine() {
  if (Over()) return;
  // Ranks that are about to come to a call that nobody can finish should be seen in it.
  std::this_thread::sleep_for(milliseconds(100));
  std::vector<RankState> states = Gather();
  HangVerdict verdict = Diagnose(states);
  if (verdict.kind == HangVerdict::kCircle) {
    // Records of different moments may show a circle that never was; a second look at the same one
    // may not.
    std::this_thread::sleep_for(milliseconds(300));
    states = Gather();
    const HangVerdict second = Diagnose(states);
    verdict.kind = second.text == verdict.text ? HangVerdict::kCertain : HangVerdict::kNone;
  }
  double seconds = 0;
  for (const RankState& state : states) {
    const LedgerRecord& record = state.record;
    if (state.status != RankState::kAnswers || record.blocked() < 0) continue;
    seconds =
        std::max(seconds, static_cast<double>(record.now_ns() - record.blocked_since_ns()) * 1e-9);
  }
  Judge(std::move(verdict), seconds);
}

void HangWatch::Running::Judge(HangVerdict verdict, double seconds) {
  {
    std::lock_guard lock(news_.mutex);
    if (verdict.kind != HangVerdict::kCertain && !news_.contradiction.empty()) {
      verdict = {HangVerdict::kCertain, -1, news_.contradiction};
    }
  }
  const bool warns = seconds >= options_.hang_seconds / 10;
  switch (verdict.kind) {
    case HangVerdict::kNone:
    case HangVerdict::kCircle:
      return;
    case HangVerdict::kCertain:
      return EndJob(verdict.text);
    case HangVerdict::kSilent:
      if (warns) EndJob(verdict.text);
      return;
    case HangVerdict::kSlow:
      break;
  }
  if (seconds >= options_.hang_seconds) return EndJob(verdict.text);
  const auto now = std::chrono::steady_clock::now();
  const auto pause = std::chrono::duration<double>(options_.hang_seconds / 10);
  if (!warns || (warned_ && now - last_warning_ < pause)) return;
  warned_ = true;
  last_warning_ = now;
  const std::string text =
      absl::StrFormat("%s; the job ends after %g s", verdict.text, options_.hang_seconds);
  options_.on_warning ? options_.on_warning(text) : PrintLine("warning", text);
}

// Not by MPI_Abort: only the thread that started MPI may call it, and that one is stuck. A process
// that ends with an error makes mpirun end the others; they are told too, for other launchers.
void HangWatch::Running::EndJob(const std::string& text) {
  {
    std::lock_guard lock(news_.mutex);
    if (std::exchange(news_.over, true)) return;
    news_.changed.notify_all();
  }
  options_.on_hang ? options_.on_hang(text) : PrintLine("error", text);
  peers_.ForEachOther([&](int peer) { peers_.Tell(peer, WatchMessage::end, nullptr); });
  EndProcess();
}

// Another rank may be the cause of what this rank's transport has met.
void HangWatch::Running::ExplainFailure() {
  std::unique_lock lock(news_.mutex);
  failed_ = true;
  news_.changed.notify_all();
  news_.changed.wait_for(lock, kFailureWait, [&] { return news_.over; });
}

// All ranks have left, so all digests are here: a run that went on with different calls to its end
// has failed too. All still answer, as rank 0 has not released them.
void HangWatch::Running::ExplainLastDigests() {
  TellDigests();
  std::unique_lock lock(news_.mutex);
  if (news_.contradiction.empty()) return;
  news_.examine = true;
  news_.changed.notify_all();
  news_.changed.wait(lock, [&] { return news_.over; });
}

void HangWatch::Running::Stop() {
  ledger_of_process = nullptr;
  recording_->ledger.EndRun();
  recording_->on_failure = nullptr;
  const bool unwinding = std::uncaught_exceptions() > exceptions_at_start_;
  if (peers_.rank > 0) {
    SendOnLifeline(WatchMessage::bye, recording_->ledger.Record(1));
  }
  std::unique_lock lock(news_.mutex);
  news_.changed.wait(lock, [&] {
    if (unwinding || news_.over || !watcher_.joinable()) return true;
    if (peers_.rank > 0) return news_.released;
    for (int rank = 1; rank < peers_.size(); ++rank) {
      if (!news_.left[rank] && !news_.gone[rank]) return false;
    }
    return true;
  });
  lock.unlock();
  if (peers_.rank == 0 && !unwinding && watcher_.joinable()) ExplainLastDigests();
  lock.lock();
  news_.released = !unwinding;
  stopped_ = true;
  news_.changed.notify_all();
  lock.unlock();
  if (watcher_.joinable()) watcher_.join();
  server_.reset();
}

namespace {

// Only ranks of this job know it, so that nobody else can end it.
std::string MakeSecret() {
  std::random_device device;
  std::string secret;
  while (secret.size() < kSecretBytes)
    absl::StrAppend(&secret, absl::Hex(device(), absl::kZeroPad8));
  return secret;
}

std::vector<WatchAddress> ExchangeAddresses(Communicator& world, const WatchAddress& own) {
  std::vector<WatchAddress> addresses;
  for (const std::string& bytes : world.AllGatherBytes(own.SerializeAsString())) {
    addresses.emplace_back().ParseFromString(bytes);
  }
  return addresses;
}

}  // namespace

HangWatch::HangWatch(std::unique_ptr<Running> running) : running_(std::move(running)) {}
HangWatch::~HangWatch() = default;
Communicator& HangWatch::world() { return running_->world(); }

absl::StatusOr<std::unique_ptr<HangWatch>> HangWatch::Start(Communicator& world,
                                                            const HangWatchOptions& options) {
  WatchAddress own = OwnAddress();
  if (world.rank() == 0) own.set_secret(MakeSecret());
  WatchPeers peers{.rank = world.rank(), .addresses = ExchangeAddresses(world, own)};
  peers.secret = peers.addresses[0].secret();
  const int num_hosts = peers.num_hosts();
  if (world.rank() == 0 && num_hosts > 1) {
    PrintLine("warning", absl::StrCat("watch: found ranks on ", num_hosts,
                                      " hosts: each listens on one port of all its networks, which "
                                      "only these hosts should reach (docs/running.md)"));
  }
  absl::StatusOr<Socket> listener = Listen(/*loopback_only=*/num_hosts == 1, own);
  RETURN_IF_ERROR(AgreeOnStatus(world, listener.status()));
  peers.addresses = ExchangeAddresses(world, own);
  auto watch = std::make_unique<Running>(world, options, std::move(peers), *std::move(listener));
  RETURN_IF_ERROR(AgreeOnStatus(world, watch->ReachRankZero()));
  watch->Begin();
  return std::unique_ptr<HangWatch>(new HangWatch(std::move(watch)));
}

}  // namespace deduce
