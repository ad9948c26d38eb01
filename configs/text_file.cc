#include "configs/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <istream>
#include <limits>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "configs/status.h"

namespace deduce {
namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

constexpr size_t kBlockBytes = 1 << 16;

absl::Status SystemError(const std::string& path, int error) {
  const std::string message =
      absl::StrCat(path, ": found \"", std::strerror(error), "\", expected a readable file");
  return absl::Status(absl::ErrnoToStatusCode(error), message);
}

absl::Status TooLarge(const std::string& path, const std::string& found, int64_t most_bytes) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": found ", found, ", expected a file of at most ", most_bytes));
}

// A copy of a descriptor that the process was given, or -1. Opening its name again could wait for
// another writer.
int GivenDescriptor(const std::string& path) {
  absl::string_view number = path;
  int fd = -1;
  if (path == "/dev/stdin") return ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (!absl::ConsumePrefix(&number, "/dev/fd/") || !absl::SimpleAtoi(number, &fd)) return -1;
  return ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

absl::StatusOr<File> OpenFile(const std::string& path, int64_t most_bytes) {
  const int given = GivenDescriptor(path);
  const int fd = given >= 0 ? given : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return SystemError(path, errno);
  File file(::fdopen(fd, "rb"), &std::fclose);
  struct stat info;
  if (file == nullptr || ::fstat(fd, &info) != 0) return SystemError(path, errno);
  if (S_ISDIR(info.st_mode)) return SystemError(path, EISDIR);
  if (given < 0 && !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": found a pipe or device, expected a regular file"));
  }
  if (S_ISREG(info.st_mode) && info.st_size > most_bytes)
    return TooLarge(path, absl::StrCat(info.st_size, " bytes"), most_bytes);
  return file;
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t most_bytes) {
  ASSIGN_OR_RETURN(const File file, OpenFile(path, most_bytes));
  std::string text;
  char block[kBlockBytes];
  while (const size_t count = std::fread(block, 1, sizeof(block), file.get())) {
    text.append(block, count);
    // A file that grows, or a pipe.
    if (static_cast<int64_t>(text.size()) > most_bytes)
      return TooLarge(path, "more bytes", most_bytes);
  }
  if (std::ferror(file.get())) return SystemError(path, errno);
  return text;
}

absl::StatusOr<LineReader> LineReader::Open(const std::string& path) {
  ASSIGN_OR_RETURN(File opened, OpenFile(path, std::numeric_limits<int64_t>::max()));
  const std::shared_ptr<std::FILE> file = std::move(opened);
  return LineReader(path, [file, path](std::string& block) -> absl::StatusOr<size_t> {
    const size_t count = std::fread(block.data(), 1, block.size(), file.get());
    if (std::ferror(file.get())) return SystemError(path, errno);
    return count;
  });
}

LineReader::LineReader(std::istream& in, std::string name)
    : LineReader(std::move(name), [&in](std::string& block) -> absl::StatusOr<size_t> {
        in.read(block.data(), static_cast<std::streamsize>(block.size()));
        return static_cast<size_t>(in.gcount());
      }) {}

absl::StatusOr<bool> LineReader::Next(std::string& line) {
  line.clear();
  ++number_;
  while (true) {
    if (begin_ == end_) {
      block_.resize(kBlockBytes);
      begin_ = 0;
      ASSIGN_OR_RETURN(end_, read_(block_));
      if (end_ == 0) {
        unfinished_ = !line.empty();
        return unfinished_;
      }
    }
    const char* const start = block_.data() + begin_;
    const void* const feed = std::memchr(start, '\n', end_ - begin_);
    const size_t size = feed != nullptr ? static_cast<const char*>(feed) - start : end_ - begin_;
    line.append(start, size);
    if (static_cast<int64_t>(line.size()) > kMostLineBytes) {
      return absl::InvalidArgumentError(absl::StrCat(where(), ": found more than ", kMostLineBytes,
                                                     " bytes, expected a shorter line"));
    }
    begin_ += size + (feed != nullptr ? 1 : 0);
    if (feed != nullptr) return true;
  }
}

std::string LineReader::where() const { return absl::StrCat(name_, ":", number_); }

}  // namespace deduce
