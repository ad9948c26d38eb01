#include "parallel/watch/watch_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

constexpr double kReadSeconds = 1;  // for the rest of a message that has begun
constexpr size_t kDigestsOfAGroup = 512;
constexpr int64_t kCallsInAnswer = 512;

}  // namespace

std::thread StartQuietThread(std::function<void()> body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

WatchServer::WatchServer(Socket listener, std::string job, const Ledger& ledger, WatchNews& news,
                         std::function<void()> on_end)
    : listener_(std::move(listener)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      job_(std::move(job)),
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
  released.set_job(job_);
  released.set_kind(WatchMessage::released);
  for (const Client& client : clients_) {
    if (client.lifeline >= 0 && news_.released) SendMessage(client.socket, released);
  }
}

void WatchServer::Serve() {
  for (;;) {
    std::vector<pollfd> polled = {{wake_.fd(), POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
    for (const Client& client : clients_) polled.push_back({client.socket.fd(), POLLIN, 0});
    if (poll(polled.data(), polled.size(), /*timeout=*/-1) < 0) continue;
    {
      std::lock_guard lock(news_.mutex);
      if (news_.closing) return;
    }
    std::vector<Client> kept;
    for (size_t i = 0; i < clients_.size(); ++i) {
      if (polled[i + 2].revents == 0 || Answer(clients_[i])) {
        kept.push_back(std::move(clients_[i]));
      } else {
        Lose(clients_[i]);
      }
    }
    clients_ = std::move(kept);
    if (polled[1].revents != 0) Accept();
  }
}

void WatchServer::Accept() {
  Socket socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (socket) clients_.push_back({std::move(socket)});
}

// False when the connection is at its end, or no watch of this job is at the other.
bool WatchServer::Answer(Client& client) {
  WatchMessage message;
  if (!ReadMessage(client.socket, kReadSeconds, message) || message.job() != job_) return false;
  Handle(client, message);
  return true;
}

void WatchServer::Handle(Client& client, const WatchMessage& message) {
  const int from = message.from();
  if (from < 0 || from >= static_cast<int>(news_.left.size())) return;
  WatchMessage answer;
  answer.set_job(job_);
  switch (message.kind()) {
    case WatchMessage::hello:
      client.lifeline = from;
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
      *answer.mutable_record() = ledger_.Record(kCallsInAnswer);
      SendMessage(client.socket, answer);
      return;
    case WatchMessage::examine: {
      SendMessage(client.socket, answer);
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
