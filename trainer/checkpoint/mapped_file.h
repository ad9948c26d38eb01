// A file's bytes in memory without reading them: pages come from the disk when they are touched, so
// a rank pays only for what it looks at.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace deduce {

class MappedFile {
 public:
  // Regular files only; errors as ReadableFile's. A file that is cut short by somebody while it is
  // mapped ends the program with SIGBUS: what may change under us is read with ReadableFile.
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  // As long as any copy of this object lives.
  std::string_view bytes() const { return bytes_; }

 private:
  std::shared_ptr<const void> mapping_;
  std::string_view bytes_;
};

}  // namespace deduce
