// `deduce export`: a model as a Hugging Face folder.
#pragma once

#include <ostream>

#include "absl/status/status.h"
#include "rl/commands/command_line.h"

namespace deduce {

// --checkpoint (what FindModel finds; a Hugging Face folder comes out the same), --out, --dtype,
// --max_shard_bytes. Prints a line of what was written to `out`. Errors carry their exit code: 2
// for the command line, 3 for the model, 1 for the file system.
absl::Status ExportCommand(const Arguments& arguments, std::ostream& out);

}  // namespace deduce
