// Messages between the watches of ranks, over TCP: a channel that works while the transport of
// tensors does not. Linux.
#pragma once

#include <cstdint>
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

// Where this machine is, the port left out. Two ranks have one `host` if they share a kernel, a
// network namespace and its addresses, whatever names they know it by: then they can use the
// loopback device.
WatchAddress OwnAddress();

// Listens on any free port, of the loopback device only or of all; sets it in `address`.
absl::StatusOr<Socket> Listen(bool loopback_only, WatchAddress& address);

enum class Reach { kConnected, kRefused, kSilent };

// Tries the addresses in turn, each for at most `seconds`. Refused: nobody listens there.
Reach Connect(const WatchAddress& address, bool loopback, double seconds, Socket& socket);

// A connection begins with so many bytes, which only ranks of the job know. Then come frames: 4
// bytes of size, and a message.
inline constexpr size_t kSecretBytes = 32;

// No frame of a job is larger. Most of the largest, a record, is its calls, each of which may list
// rows of all ranks.
constexpr int64_t MaxFrameBytes(int num_ranks) {
  return 512 * (1024 + 24 * int64_t{num_ranks}) + 4096 * int64_t{num_ranks} + (1 << 20);
}

// The frame of a message.
std::string Frame(const WatchMessage& message);

// These wait; false if the other end has closed, or after `seconds` (2 for sending) without all of
// it. ReadMessage refuses a frame that is larger than max_bytes before it takes memory for it.
bool SendSecret(const Socket& socket, const std::string& secret);
bool SendMessage(const Socket& socket, const WatchMessage& message);
bool ReadMessage(const Socket& socket, double seconds, int64_t max_bytes, WatchMessage& message);

// Whether the socket can be read within `seconds`; also true at its end.
bool Readable(const Socket& socket, double seconds);

}  // namespace deduce
