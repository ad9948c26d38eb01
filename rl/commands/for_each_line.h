// How commands read their input line by line.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "configs/text_file.h"

namespace deduce {

// Called with a line and its `PATH:LINE`.
using UseLine = std::function<absl::Status(const std::string&, const std::string&)>;

// Ends early once `out`, where results go, takes no more. Errors: the first that `use` returns; of
// reading, with exit code 3.
absl::Status ForEachLine(LineReader lines, const std::ostream& out, const UseLine& use);

// The lines of the file `path`.
absl::Status ForEachLine(const std::string& path, const std::ostream& out, const UseLine& use);

}  // namespace deduce
