// `deduce report`: run directories in, one self-contained HTML page out.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace deduce {

// Writes a page about all the runs, overlaid, to out_path (empty: report.html in the first run
// directory) and returns its path. The page appears by rename, so a failure leaves an older one as
// it was. Errors: InvalidArgument for no run directory or for a broken line ("PATH:LINE: found X,
// expected Y"); NotFound with the path for a directory without metrics; the
// file's when the page cannot be written.
absl::StatusOr<std::string> WriteReport(const std::vector<std::string>& run_dirs,
                                        const std::string& out_path);

}  // namespace deduce
