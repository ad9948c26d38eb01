// `deduce export`: a model as a Hugging Face folder.
#pragma once

#include "absl/status/status.h"
#include "rl/commands/command_line.h"

namespace deduce {

// --checkpoint (a checkpoint, or a Hugging Face folder, which comes out the same), --out,
// --max_shard_bytes. Errors carry their exit code: 2 for the command line, 3 for the model, 1 for
// the file system.
absl::Status ExportCommand(const Arguments& arguments);

}  // namespace deduce
