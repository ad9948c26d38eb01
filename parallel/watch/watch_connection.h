// The serving end of a connection between watches. It never waits, and trusts nobody before the
// job's secret has come.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "parallel/watch/watch_channel.h"

namespace deduce {

class WatchConnection {
 public:
  // `socket` does not block. Frames of more than max_frame_bytes end the connection.
  WatchConnection(Socket socket, std::string secret, int64_t max_frame_bytes);

  int fd() const { return socket_.fd(); }
  const Socket& socket() const { return socket_; }
  // Whether the other end has shown the secret. Before that, no more than the bytes of a secret are
  // read.
  bool known() const { return known_; }
  std::chrono::steady_clock::time_point began() const { return began_; }

  // Takes what has come, and adds the messages that are complete. False: the connection is over,
  // after these messages: closed by the other end, a wrong secret, or a frame that is none.
  bool Read(std::vector<WatchMessage>& messages);

  // Puts a message behind those that are not sent yet.
  void Queue(const WatchMessage& message) { out_ += Frame(message); }
  bool wants_to_write() const { return !out_.empty(); }
  // Sends what the other end takes now. False: the connection is over.
  bool Write();

 private:
  bool TakeSecret();
  bool TakeFrames(std::vector<WatchMessage>& messages);

  Socket socket_;
  std::string secret_;
  int64_t max_frame_bytes_;
  bool known_ = false;
  std::string in_;   // what has come and is not complete
  std::string out_;  // what is not sent yet
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace deduce
