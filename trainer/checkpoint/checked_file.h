// Files whose every operation is checked, and made durable when asked: a full disk is a Status with
// the path, never a short file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deduce {

// `PATH: found ERROR, expected EXPECTED`, with the code that belongs to this errno (ENOENT:
// NotFound, EACCES: PermissionDenied, ENOSPC: ResourceExhausted, ...).
absl::Status FileError(int error_number, const std::string& path, const std::string& expected);

// A descriptor that is closed with its owner.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor();
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  int get() const { return fd_; }

 private:
  int fd_;
};

class WritableFile {
 public:
  // Truncate makes or empties the file; Append makes it or continues at its end.
  static absl::StatusOr<WritableFile> Truncate(const std::string& path);
  static absl::StatusOr<WritableFile> Append(const std::string& path);

  // All bytes or an error. After an error the file is cut back to what it was before this call,
  // where that is possible.
  absl::Status Write(std::string_view bytes);
  absl::Status Sync();

  int64_t size() const { return size_; }  // bytes
  const std::string& path() const { return path_; }

 private:
  static absl::StatusOr<WritableFile> Open(const std::string& path, int flags);
  WritableFile(std::string path, FileDescriptor fd, int64_t size);
  std::string path_;
  FileDescriptor fd_;
  int64_t size_;
};

class ReadableFile {
 public:
  // Regular files only.
  static absl::StatusOr<ReadableFile> Open(const std::string& path);

  // Exactly `size` bytes from `offset`; DataLoss if the file ends before.
  absl::Status Read(int64_t offset, int64_t size, void* out) const;

  int64_t size() const { return size_; }  // bytes, when opened
  const std::string& path() const { return path_; }

 private:
  ReadableFile(std::string path, FileDescriptor fd, int64_t size);
  std::string path_;
  FileDescriptor fd_;
  int64_t size_;
};

// Whole files at once. WriteFile syncs.
absl::StatusOr<std::string> ReadFile(const std::string& path);
absl::Status WriteFile(const std::string& path, std::string_view bytes);

// A file with these bytes takes the place of `path`, or of the file it links to, at once: a reader
// finds the old one or the new one. InvalidArgument where there is a device, a pipe or a folder.
absl::Status ReplaceFile(const std::string& path, std::string_view bytes);

// Whether ReplaceFile could begin; nothing is changed.
absl::Status CheckReplaceable(const std::string& path);

// Makes the names in a folder (creations, renames) durable.
absl::Status SyncFolder(const std::string& path);

}  // namespace deduce
