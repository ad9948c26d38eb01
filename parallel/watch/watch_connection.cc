#include "parallel/watch/watch_connection.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace deduce {
namespace {

constexpr size_t kReadBytes = 1 << 16;
constexpr int kReadsAtOnce = 16;  // then other connections have their turn

// In a time that does not tell how many bytes are right.
bool SameBytes(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

bool WouldWait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

WatchConnection::WatchConnection(Socket socket, std::string secret, int64_t max_frame_bytes)
    : socket_(std::move(socket)), secret_(std::move(secret)), max_frame_bytes_(max_frame_bytes) {}

bool WatchConnection::TakeSecret() {
  if (known_ || in_.size() < secret_.size()) return true;
  known_ = SameBytes(in_, secret_);
  in_.clear();
  return known_;
}

bool WatchConnection::TakeFrames(std::vector<WatchMessage>& messages) {
  size_t begin = 0;
  bool good = true;
  while (good && in_.size() - begin >= sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, in_.data() + begin, sizeof(size));
    size = ntohl(size);
    if (size > max_frame_bytes_) return false;
    if (in_.size() - begin - sizeof(size) < size) break;
    const char* body = in_.data() + begin + sizeof(size);
    good = messages.emplace_back().ParseFromArray(body, static_cast<int>(size));
    if (!good) messages.pop_back();
    begin += sizeof(size) + size;
  }
  in_.erase(0, begin);
  return good;
}

bool WatchConnection::Read(std::vector<WatchMessage>& messages) {
  char bytes[kReadBytes];
  for (int reads = 0; reads < kReadsAtOnce; ++reads) {
    const size_t wanted = known_ ? sizeof(bytes) : secret_.size() - in_.size();
    const ssize_t got = recv(socket_.fd(), bytes, wanted, MSG_DONTWAIT);
    if (got < 0 && WouldWait()) return true;
    if (got <= 0) return false;
    in_.append(bytes, got);
    if (!known_) {
      if (!TakeSecret()) return false;
    } else if (!TakeFrames(messages)) {
      return false;
    }
  }
  return true;
}

bool WatchConnection::Write() {
  while (!out_.empty()) {
    const ssize_t sent = send(socket_.fd(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return WouldWait();
    out_.erase(0, sent);
  }
  return true;
}

}  // namespace deduce
