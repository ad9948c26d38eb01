// Messages between the watches of ranks, over TCP: a channel that works while the transport of
// tensors does not. Linux.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "parallel/watch/ledger.pb.h"

namespace deduce {

// A file descriptor that is closed at the end, and by exec.
class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  ~Socket();
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Where this machine is, the port left out; two ranks with one `host` can use the loopback device.
WatchAddress OwnAddress();

// Listens on any free port, of the loopback device only or of all; sets it in `address`.
absl::StatusOr<Socket> Listen(bool loopback_only, WatchAddress& address);

enum class Reach { kConnected, kRefused, kSilent };

// Tries the addresses in turn, each for at most `seconds`. Refused: nobody listens there.
Reach Connect(const WatchAddress& address, bool loopback, double seconds, Socket& socket);

// Whole messages; false if the other end has closed, or after `seconds` (2 for sending) without
// all of it. ReadMessage refuses what is larger than 64 MB.
bool SendMessage(const Socket& socket, const WatchMessage& message);
bool ReadMessage(const Socket& socket, double seconds, WatchMessage& message);

// Whether the socket can be read within `seconds`; also true at its end.
bool Readable(const Socket& socket, double seconds);

}  // namespace deduce
