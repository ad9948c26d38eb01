#include "data/text/text_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

absl::Status SystemError(const std::string& path, int error) {
  const std::string message =
      absl::StrCat(path, ": found \"", std::strerror(error), "\", expected a readable file");
  return absl::Status(absl::ErrnoToStatusCode(error), message);
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return SystemError(path, errno);
  std::string text;
  char block[1 << 16];
  while (const size_t count = std::fread(block, 1, sizeof(block), file.get())) {
    text.append(block, count);
  }
  if (std::ferror(file.get()))
    return SystemError(path, errno);  // a folder opens, but does not read
  return text;
}

}  // namespace deduce
