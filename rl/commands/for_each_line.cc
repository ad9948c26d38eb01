#include "rl/commands/for_each_line.h"

#include <ostream>
#include <utility>

#include "absl/status/statusor.h"
#include "configs/exit_code.h"
#include "configs/status.h"

namespace deduce {

absl::Status ForEachLine(LineReader lines, const std::ostream& out, const UseLine& use) {
  std::string line;
  while (out) {
    const absl::StatusOr<bool> found = lines.Next(line);
    if (!found.ok()) return WithExitCode(found.status(), ExitCode::kBadData);
    if (!*found) break;
    RETURN_IF_ERROR(use(line, lines.where()));
  }
  return absl::OkStatus();
}

absl::Status ForEachLine(const std::string& path, const std::ostream& out, const UseLine& use) {
  absl::StatusOr<LineReader> lines = LineReader::Open(path);
  if (!lines.ok()) return WithExitCode(lines.status(), ExitCode::kBadData);
  return ForEachLine(*std::move(lines), out, use);
}

}  // namespace deduce
