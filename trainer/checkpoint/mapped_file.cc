#include "trainer/checkpoint/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) {
    return FileError(errno, path, "a readable file");
  }
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": found a folder or device, expected a file"));
  }
  MappedFile file;
  if (info.st_size == 0) return file;
  const auto size = static_cast<size_t>(info.st_size);
  void* const start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (start == MAP_FAILED) return FileError(errno, path, "a file that can be mapped");
  file.mapping_ = std::shared_ptr<const void>(
      start, [size](const void* pages) { ::munmap(const_cast<void*>(pages), size); });
  file.bytes_ = {static_cast<const char*>(start), size};
  return file;
}

}  // namespace deduce
