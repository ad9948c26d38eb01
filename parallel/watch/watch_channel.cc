#include "parallel/watch/watch_channel.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace deduce {
namespace {

constexpr double kSendSeconds = 2;

// Poll's milliseconds from now to the end of a time.
class Deadline {
 public:
  explicit Deadline(double seconds)
      : end_(std::chrono::steady_clock::now() +
             std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000))) {}
  int Left() const {
    const auto left = (end_ - std::chrono::steady_clock::now()) / std::chrono::milliseconds(1);
    return static_cast<int>(std::max<int64_t>(0, left));
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

bool WaitFor(int fd, int16_t events, const Deadline& deadline) {
  for (;;) {
    pollfd one{.fd = fd, .events = events, .revents = 0};
    const int ready = poll(&one, 1, deadline.Left());
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// Sends or receives exactly `size` bytes of a socket that does not block.
template <typename Move>
bool MoveAll(int fd, char* data, size_t size, int16_t events, const Deadline& deadline,
             const Move& move) {
  while (size > 0) {
    const ssize_t moved = move(fd, data, size);
    if (moved > 0) {
      data += moved;
      size -= moved;
    } else if (moved == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
      return false;
    } else if (!WaitFor(fd, events, deadline)) {
      return false;
    }
  }
  return true;
}

bool SendAll(int fd, std::string bytes, const Deadline& deadline) {
  return MoveAll(fd, bytes.data(), bytes.size(), POLLOUT, deadline,
                 [](int to, char* data, size_t size) {
                   return send(to, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
                 });
}

bool ReceiveAll(int fd, char* data, size_t size, const Deadline& deadline) {
  return MoveAll(fd, data, size, POLLIN, deadline, [](int from, char* to, size_t count) {
    return recv(from, to, count, MSG_DONTWAIT);
  });
}

sockaddr_in SocketAddress(uint32_t ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ip;
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

Reach ConnectTo(const sockaddr_in& address, double seconds, Socket& socket) {
  Socket made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return Reach::kSilent;
  const int on = 1;
  setsockopt(made.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  int error = 0;
  if (connect(made.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      if (!WaitFor(made.fd(), POLLOUT, Deadline(seconds))) return Reach::kSilent;
      socklen_t size = sizeof(error);
      getsockopt(made.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  if (error != 0) return error == ECONNREFUSED ? Reach::kRefused : Reach::kSilent;
  socket = std::move(made);
  return Reach::kConnected;
}

std::string FirstLine(const char* path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

}  // namespace

Socket::~Socket() {
  if (fd_ >= 0) close(fd_);
}

WatchAddress OwnAddress() {
  WatchAddress address;
  char network[64] = "";
  if (readlink("/proc/self/ns/net", network, sizeof(network) - 1) < 0) network[0] = '\0';
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) all = nullptr;
  for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_UP) == 0 || (each->ifa_flags & IFF_LOOPBACK) != 0) continue;
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, text,
              sizeof(text));
    address.add_ip(text);
  }
  freeifaddrs(all);
  // Copies of a virtual machine may have a boot in common, and do not have an address in common.
  address.set_host(absl::StrCat(FirstLine("/proc/sys/kernel/random/boot_id"), " ", network, " ",
                                absl::StrJoin(address.ip(), " ")));
  return address;
}

absl::StatusOr<Socket> Listen(bool loopback_only, WatchAddress& address) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in own = SocketAddress(htonl(loopback_only ? INADDR_LOOPBACK : INADDR_ANY), 0);
  socklen_t size = sizeof(own);
  if (!socket || bind(socket.fd(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) != 0 ||
      listen(socket.fd(), SOMAXCONN) != 0 ||
      getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&own), &size) != 0) {
    return absl::UnavailableError(
        absl::StrCat("watch: found ", std::strerror(errno), ", expected a port to listen on"));
  }
  address.set_port(ntohs(own.sin_port));
  return socket;
}

Reach Connect(const WatchAddress& address, bool loopback, double seconds, Socket& socket) {
  if (loopback) {
    return ConnectTo(SocketAddress(htonl(INADDR_LOOPBACK), address.port()), seconds, socket);
  }
  Reach best = Reach::kSilent;
  for (const std::string& ip : address.ip()) {
    in_addr parsed{};
    if (inet_pton(AF_INET, ip.c_str(), &parsed) != 1) continue;
    const Reach reach = ConnectTo(SocketAddress(parsed.s_addr, address.port()), seconds, socket);
    if (reach == Reach::kConnected) return reach;
    if (reach == Reach::kRefused) best = reach;
  }
  return best;
}

std::string Frame(const WatchMessage& message) {
  const std::string body = message.SerializeAsString();
  const uint32_t size = htonl(static_cast<uint32_t>(body.size()));
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + body;
}

bool SendSecret(const Socket& socket, const std::string& secret) {
  return SendAll(socket.fd(), secret, Deadline(kSendSeconds));
}

bool SendMessage(const Socket& socket, const WatchMessage& message) {
  return SendAll(socket.fd(), Frame(message), Deadline(kSendSeconds));
}

bool ReadMessage(const Socket& socket, double seconds, int64_t max_bytes, WatchMessage& message) {
  const Deadline deadline(seconds);
  uint32_t size = 0;
  if (!ReceiveAll(socket.fd(), reinterpret_cast<char*>(&size), sizeof(size), deadline)) {
    return false;
  }
  size = ntohl(size);
  if (size > max_bytes) return false;
  std::string body(size, '\0');
  return ReceiveAll(socket.fd(), body.data(), size, deadline) && message.ParseFromString(body);
}

bool Readable(const Socket& socket, double seconds) {
  return WaitFor(socket.fd(), POLLIN, Deadline(seconds));
}

}  // namespace deduce
