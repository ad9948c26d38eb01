// A file read whole.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace deduce {

// The bytes of a file. Error: NotFound, PermissionDenied or another code of the system, `PATH:
// found REASON, expected a readable file`.
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

}  // namespace deduce
