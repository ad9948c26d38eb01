#include "parallel/watch/watch_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

constexpr size_t kDigestsOfAGroup = 512;
constexpr int64_t kCallsInAnswer = 512;

// Connections that have not shown the secret: so many beside one a rank, each so long. Ranks show
// it at once.
constexpr int kMaxStrangers = 32;
constexpr std::chrono::seconds kStrangerTime{5};
constexpr int kAcceptsAtOnce = 16;  // then those that are here have their turn
constexpr int kPauseMilliseconds = 100;

// The record with as many calls as a frame can hold.
LedgerRecord RecordOfAFrame(const Ledger& ledger, int num_ranks) {
  for (int64_t calls = kCallsInAnswer;; calls /= 2) {
    LedgerRecord record = ledger.Record(calls);
    if (calls == 0 || static_cast<int64_t>(record.ByteSizeLong()) < MaxFrameBytes(num_ranks) - 64)
      return record;
  }
}

}  // namespace

std::thread StartQuietThread(std::function<void()> body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

WatchServer::WatchServer(Socket listener, std::string secret, const Ledger& ledger, WatchNews& news,
                         std::function<void()> on_end)
    : listener_(std::move(listener)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      secret_(std::move(secret)),
      ledger_(ledger),
      news_(news),
      on_end_(std::move(on_end)),
      thread_(StartQuietThread([this] { Serve(); })) {}

WatchServer::~WatchServer() {
  {
    std::lock_guard lock(news_.mutex);
    news_.closing = true;
  }
  const uint64_t one = 1;
  (void)!write(wake_.fd(), &one, sizeof(one));
  thread_.join();
  WatchMessage released;
  released.set_kind(WatchMessage::released);
  for (const Client& client : clients_) {
    if (client.lifeline >= 0 && news_.released) SendMessage(client.connection.socket(), released);
  }
}

void WatchServer::Serve() {
  for (;;) {
    bool strangers = false;
    std::vector<pollfd> polled = {{wake_.fd(), POLLIN, 0},
                                  {accepts_ ? listener_.fd() : -1, POLLIN, 0}};
    for (const Client& client : clients_) {
      const WatchConnection& connection = client.connection;
      polled.push_back(
          {connection.fd(),
           static_cast<int16_t>(connection.wants_to_write() ? POLLIN | POLLOUT : POLLIN), 0});
      strangers |= !connection.known();
    }
    const int timeout = strangers || !accepts_ ? kPauseMilliseconds : -1;
    if (poll(polled.data(), polled.size(), timeout) < 0) continue;
    accepts_ = true;
    {
      std::lock_guard lock(news_.mutex);
      if (news_.closing) return;
    }
    std::vector<Client> kept;
    for (size_t i = 0; i < clients_.size(); ++i) {
      if (polled[i + 2].revents == 0 || Answer(clients_[i], polled[i + 2].revents)) {
        kept.push_back(std::move(clients_[i]));
      } else {
        Lose(clients_[i]);
      }
    }
    clients_ = std::move(kept);
    DropStrangers();
    if (polled[1].revents != 0) Accept();
  }
}

void WatchServer::Accept() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    Socket socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      accepts_ = errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
      return;
    }
    clients_.push_back({WatchConnection(std::move(socket), secret_, MaxFrameBytes(num_ranks()))});
  }
}

// Those that have not shown the secret for too long, and the oldest of too many.
void WatchServer::DropStrangers() {
  const auto now = std::chrono::steady_clock::now();
  int strangers = -num_ranks();  // all of which may have just come
  for (const Client& client : clients_) strangers += client.connection.known() ? 0 : 1;
  std::erase_if(clients_, [&](const Client& client) {
    if (client.connection.known()) return false;
    const bool drop = strangers > kMaxStrangers || now - client.connection.began() > kStrangerTime;
    if (drop) --strangers;
    return drop;
  });
}

// False when the connection is at its end, or no watch of this job is at the other.
bool WatchServer::Answer(Client& client, int16_t events) {
  std::vector<WatchMessage> messages;
  const bool open = (events & ~POLLOUT) == 0 || client.connection.Read(messages);
  for (const WatchMessage& message : messages) Handle(client, message);
  return open && client.connection.Write();
}

void WatchServer::Handle(Client& client, const WatchMessage& message) {
  const int from = message.from();
  if (from < 0 || from >= num_ranks()) return;
  WatchMessage answer;
  switch (message.kind()) {
    case WatchMessage::hello:
      client.lifeline = from;
      client.connection.Queue(answer);
      return;
    case WatchMessage::digest:
    case WatchMessage::bye: {
      TakeDigests(message.record());
      std::lock_guard lock(news_.mutex);
      news_.last[from] = message.record();
      if (message.kind() == WatchMessage::bye) news_.left[from] = true;
      news_.changed.notify_all();
      return;
    }
    case WatchMessage::ask_record:
      *answer.mutable_record() = RecordOfAFrame(ledger_, num_ranks());
      client.connection.Queue(answer);
      return;
    case WatchMessage::examine: {
      client.connection.Queue(answer);
      std::lock_guard lock(news_.mutex);
      news_.examine = true;
      news_.changed.notify_all();
      return;
    }
    case WatchMessage::end: {
      on_end_();
      std::lock_guard lock(news_.mutex);
      news_.over = true;
      news_.changed.notify_all();
      return;
    }
    case WatchMessage::released:
      return;
  }
}

void WatchServer::Lose(const Client& client) {
  if (client.lifeline < 0) return;
  std::lock_guard lock(news_.mutex);
  if (news_.left[client.lifeline]) return;
  news_.gone[client.lifeline] = true;
  news_.examine = true;
  news_.changed.notify_all();
}

void WatchServer::TakeDigests(const LedgerRecord& record) {
  std::lock_guard lock(news_.mutex);
  for (const LedgerGroup& group : record.group()) {
    std::map<int64_t, Digest>& known = digests_[group.uid()];
    const auto take = [&](int64_t count, uint64_t value) {
      const auto [place, added] = known.try_emplace(count, Digest{value, record.rank()});
      if (added || place->second.value == value || !news_.contradiction.empty()) return;
      news_.contradiction =
          absl::StrCat("rank ", record.rank(), ": found the first ", count, " calls of ",
                       group.name(), " to differ, expected those of rank ", place->second.rank);
      news_.examine = true;
      news_.changed.notify_all();
    };
    for (int i = 0; i < group.digest_size(); ++i) {
      take((group.first_digest() + i) * kDigestInterval, group.digest(i));
    }
    take(group.num_calls(), group.last_digest());
    while (known.size() > kDigestsOfAGroup) known.erase(known.begin());
  }
}

}  // namespace deduce
