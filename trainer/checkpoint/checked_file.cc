#include "trainer/checkpoint/checked_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"

namespace deduce {
namespace {

constexpr char kReplacement[] = ".partial";

// The file that a path's links lead to; the path if they lead nowhere.
std::string Linked(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return error ? path : real.string();
}

}  // namespace

absl::Status FileError(int error_number, const std::string& path, const std::string& expected) {
  return absl::Status(
      absl::ErrnoToStatusCode(error_number),
      absl::StrCat(path, ": found error '", std::strerror(error_number), "', expected ", expected));
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

WritableFile::WritableFile(std::string path, FileDescriptor fd, int64_t size)
    : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

absl::StatusOr<WritableFile> WritableFile::Open(const std::string& path, int flags) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0666));
  if (fd.get() < 0) return FileError(errno, path, "a writable file");
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return FileError(errno, path, "a writable file");
  return WritableFile(path, std::move(fd), info.st_size);
}

absl::StatusOr<WritableFile> WritableFile::Truncate(const std::string& path) {
  return Open(path, O_TRUNC);
}

absl::StatusOr<WritableFile> WritableFile::Append(const std::string& path) { return Open(path, 0); }

absl::Status WritableFile::Write(std::string_view bytes) {
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t n = ::write(fd_.get(), bytes.data() + written, bytes.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error_number = n < 0 ? errno : EIO;
      // Devices cannot be cut; the error that matters is the first one.
      [[maybe_unused]] const int ignored = ::ftruncate(fd_.get(), size_);
      return FileError(error_number, path_,
                       absl::StrCat(bytes.size(), " bytes to be written at ", size_));
    }
    written += n;
  }
  size_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::Status WritableFile::Sync() {
  if (::fsync(fd_.get()) != 0)
    return FileError(errno, path_, "the disk to take all that was written");
  return absl::OkStatus();
}

ReadableFile::ReadableFile(std::string path, FileDescriptor fd, int64_t size)
    : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}

absl::StatusOr<ReadableFile> ReadableFile::Open(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return FileError(errno, path, "a readable file");
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return FileError(errno, path, "a readable file");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": found a folder or device, expected a file"));
  }
  return ReadableFile(path, std::move(fd), info.st_size);
}

absl::Status ReadableFile::Read(int64_t offset, int64_t size, void* out) const {
  int64_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(fd_.get(), static_cast<char*>(out) + done, size - done, offset + done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FileError(errno, path_, absl::StrCat(size, " bytes at ", offset));
    if (n == 0) {
      return absl::DataLossError(absl::StrCat(path_, ": found the end at byte ", offset + done,
                                              ", expected ", size, " bytes at ", offset));
    }
    done += n;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  ASSIGN_OR_RETURN(const ReadableFile file, ReadableFile::Open(path));
  std::string bytes(file.size(), '\0');
  RETURN_IF_ERROR(file.Read(0, file.size(), bytes.data()));
  return bytes;
}

absl::Status WriteFile(const std::string& path, std::string_view bytes) {
  ASSIGN_OR_RETURN(WritableFile file, WritableFile::Truncate(path));
  RETURN_IF_ERROR(file.Write(bytes));
  return file.Sync();
}

absl::Status ReplaceFile(const std::string& path, std::string_view bytes) {
  RETURN_IF_ERROR(CheckReplaceable(path));
  const std::string target = Linked(path);
  const std::string partial = target + kReplacement;
  absl::Status status = WriteFile(partial, bytes);
  if (status.ok() && ::rename(partial.c_str(), target.c_str()) != 0)
    status = FileError(errno, path, "a file that can be replaced");
  if (!status.ok()) ::unlink(partial.c_str());
  return status;
}

absl::Status CheckReplaceable(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": found a folder or device, expected a file or nothing"));
  }
  const std::string partial = Linked(path) + kReplacement;
  const FileDescriptor fd(
      ::open(partial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, 0666));
  if (fd.get() < 0) return FileError(errno, path, "a file that can be written");
  ::unlink(partial.c_str());
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return FileError(errno, path, "a readable folder");
  if (::fsync(fd.get()) != 0) return FileError(errno, path, "a folder that can be synced");
  return absl::OkStatus();
}

}  // namespace deduce
