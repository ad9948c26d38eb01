#include "rl/run/run_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/exit_code.h"
#include "configs/status.h"

namespace deduce {
namespace {

constexpr auto kRetry = std::chrono::milliseconds(50);

std::string LockPath(const std::string& dir) { return dir + "/lock"; }

// Names the running kernel: containers on one machine have other host names and the same kernel,
// whose locks can be believed.
std::string BootId() {
  std::string id;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), id);
  return id;
}

RunOwner ThisProcess() {
  char name[256] = "";
  ::gethostname(name, sizeof(name) - 1);
  return {.host = name, .pid = ::getpid(), .boot_id = BootId()};
}

// Whether the kernel here would know of a lock that this process holds, or it ended with its
// kernel.
bool IsOfThisMachine(const RunOwner& owner) {
  const RunOwner self = ThisProcess();
  return owner.host == self.host || owner.boot_id == self.boot_id;
}

// The owner that the file names; nothing if it is empty or not ours.
std::optional<RunOwner> ReadOwner(int fd) {
  char text[1024];
  const ssize_t size = ::pread(fd, text, sizeof(text), 0);
  if (size <= 0) return std::nullopt;
  const auto json = nlohmann::json::parse(text, text + size, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("host") || !json["host"].is_string() ||
      !json.contains("pid") || !json["pid"].is_number_integer()) {
    return std::nullopt;
  }
  const auto boot_id = json.find("boot_id");
  const bool known = boot_id != json.end() && boot_id->is_string();
  return RunOwner{json["host"], json["pid"], known ? boot_id->get<std::string>() : ""};
}

// Whether this is still the file of that name: a lock's last holder removes it.
bool IsTheFile(int fd, const std::string& path) {
  struct stat open_file {
  }, named{};
  return ::fstat(fd, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

absl::Status Held(const std::string& dir, const std::optional<RunOwner>& owner,
                  const std::string& advice) {
  const std::string who =
      owner ? absl::StrCat("process ", owner->pid, " on ", owner->host) : "another process";
  return WithExitCode(absl::FailedPreconditionError(absl::StrCat(
                          "run_dir: found ", who, " writing ", dir, ", expected nobody", advice)),
                      ExitCode::kBadConfig);
}

// Opens and locks the file. True: done. False: somebody holds it, or removed it meanwhile.
absl::StatusOr<bool> TryToLock(const std::string& path, FileDescriptor& fd) {
  fd = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (fd.get() < 0) {
    return WithExitCode(FileError(errno, path, "a file that can be made"), ExitCode::kBadConfig);
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return IsTheFile(fd.get(), path);
  if (errno == EWOULDBLOCK || errno == EINTR) return false;
  return WithExitCode(FileError(errno, path, "a file system that can lock files (flock)"),
                      ExitCode::kBadConfig);
}

absl::Status WriteOwner(int fd, const std::string& path) {
  const RunOwner self = ThisProcess();
  const std::string text =
      nlohmann::ordered_json{{"host", self.host}, {"pid", self.pid}, {"boot_id", self.boot_id}}
          .dump() +
      "\n";
  if (::ftruncate(fd, 0) == 0 &&
      ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) {
    return absl::OkStatus();
  }
  return FileError(errno, path, "room for a line");
}

}  // namespace

absl::StatusOr<RunLock> RunLock::Take(const std::string& dir, double seconds) {
  const std::string path = LockPath(dir);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  FileDescriptor fd;
  for (;;) {
    ASSIGN_OR_RETURN(const bool locked, TryToLock(path, fd));
    if (locked) break;
    if (std::chrono::steady_clock::now() >= deadline) return Held(dir, ReadOwner(fd.get()), "");
    std::this_thread::sleep_for(kRetry);
  }
  if (const auto owner = ReadOwner(fd.get()); owner && !IsOfThisMachine(*owner)) {
    return Held(dir, owner, absl::StrCat("; if that process is gone, remove ", path));
  }
  RunLock lock(path, std::move(fd));
  RETURN_IF_ERROR(WriteOwner(lock.fd_.get(), path));
  return lock;
}

RunLock::~RunLock() {
  if (fd_.get() >= 0 && IsTheFile(fd_.get(), path_)) ::unlink(path_.c_str());
}

std::optional<RunOwner> WriterOf(const std::string& dir) {
  const FileDescriptor fd(::open(LockPath(dir).c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return std::nullopt;
  const std::optional<RunOwner> owner = ReadOwner(fd.get());
  const bool gone = owner && owner->host == ThisProcess().host &&
                    ::kill(static_cast<pid_t>(owner->pid), 0) != 0 && errno == ESRCH;
  return gone ? std::nullopt : owner;
}

}  // namespace deduce
