// Text files, whole or line by line. Only regular files of a bounded size are read, and opening one
// never waits, so that a pipe, a device or a file without an end is an error at once.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <utility>

#include "absl/status/statusor.h"

namespace deduce {

inline constexpr int64_t kMostTextBytes = int64_t{1} << 28;  // configs, tokenizers, templates
inline constexpr int64_t kMostDataBytes = int64_t{1} << 32;  // data files, which are held in memory
inline constexpr int64_t kMostLineBytes = int64_t{1} << 26;

// The bytes of a file. /dev/stdin and /dev/fd/N stand for what the process was given open, which
// may be a pipe. Errors: NotFound, PermissionDenied or another code of the system, `PATH: found
// REASON, expected a readable file`; InvalidArgument for what is no regular file or larger than
// most_bytes.
absl::StatusOr<std::string> ReadTextFile(const std::string& path,
                                         int64_t most_bytes = kMostTextBytes);

// Lines one after the other, so that a file of any size can be read.
class LineReader {
 public:
  // Errors: as ReadTextFile, without a bound on the file's size.
  static absl::StatusOr<LineReader> Open(const std::string& path);
  // The lines of a stream, which outlives this; `name` stands for its path.
  LineReader(std::istream& in, std::string name);

  // The next line without its line feed; false at the end. Errors: one of reading; InvalidArgument
  // `PATH:LINE: found more than N bytes, expected a shorter line`.
  absl::StatusOr<bool> Next(std::string& line);

  // `PATH:LINE` of the last line; lines count from 1.
  std::string where() const;
  // Whether the last line ended with the file instead of a line feed.
  bool unfinished() const { return unfinished_; }

 private:
  // Fills a block with at most as many bytes as it has; 0 at the end.
  using Read = std::function<absl::StatusOr<size_t>(std::string& block)>;
  LineReader(std::string name, Read read) : name_(std::move(name)), read_(std::move(read)) {}

  std::string name_;
  Read read_;
  std::string block_;
  size_t begin_ = 0, end_ = 0;  // the part of the block that is not read yet
  int64_t number_ = 0;
  bool unfinished_ = false;
};

}  // namespace deduce
