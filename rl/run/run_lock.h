// Who writes a run directory: one process at a time, named by host and pid in RUN_DIR/lock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {

struct RunOwner {
  std::string host;
  int64_t pid = 0;
  std::string boot_id;  // of the kernel
};

// Held until it is destroyed or its process ends, however that ends: the kernel keeps it (flock),
// and the file only says whose it is. A lock that a killed process left is taken over. What is left
// by a process of another machine may be held there, on a file system that does not tell: it is
// refused, and the file may be removed by hand.
class RunLock {
 public:
  // `dir` must exist. seconds: how long a lock that is held is waited for, since killed processes
  // take a moment to end. FailedPrecondition, naming host and pid, if another process holds it.
  static absl::StatusOr<RunLock> Take(const std::string& dir, double seconds = 3);

  RunLock(RunLock&& other) noexcept = default;
  RunLock& operator=(RunLock&&) = delete;
  ~RunLock();

 private:
  RunLock(std::string path, FileDescriptor fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  FileDescriptor fd_;
};

// Who the lock's file names, unless that process is known to be gone; changes nothing.
std::optional<RunOwner> WriterOf(const std::string& dir);

}  // namespace deduce
