// Which exit code a failure ends the program with, carried by the Status itself.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/types/optional.h"

namespace deduce {

enum class ExitCode { kDone = 0, kFailed = 1, kBadConfig = 2, kBadData = 3 };

inline constexpr char kExitCodePayload[] = "deduce/exit_code";

// The same error, to end with `code` unless it already carries one. OK stays OK.
inline absl::Status WithExitCode(absl::Status status, ExitCode code) {
  if (!status.ok() && !status.GetPayload(kExitCodePayload)) {
    status.SetPayload(kExitCodePayload, absl::Cord(std::to_string(static_cast<int>(code))));
  }
  return status;
}

// The exit code of a program that ends with `status`.
inline int ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return static_cast<int>(ExitCode::kDone);
  const absl::optional<absl::Cord> payload = status.GetPayload(kExitCodePayload);
  return payload ? std::stoi(std::string(*payload)) : static_cast<int>(ExitCode::kFailed);
}

}  // namespace deduce
