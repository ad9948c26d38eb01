// `deduce inspect`: prints a run, a checkpoint or a Hugging Face folder as JSON lines.
#pragma once

#include <ostream>
#include <string>

#include "absl/status/status.h"

namespace deduce {

// Prints a summary line (stage, step, ranks, tensors, elements, bytes, weights_hash, files, state,
// verified) and one line per logical tensor (name, dtype, shape, slices with file, range and hash).
// With `verify`, everything is read and every hash checked before the first line is printed. Errors
// are CheckpointReader's. Of a Hugging Face folder: a summary (tensors, bytes, verified, the model
// as our config has it) and one line per tensor; `verify` compares the tensors with config.json.
// Errors are those of ReadHuggingFaceWeights. Of a run: a summary (name, state, who writes it), one
// line a stage (kind, state, steps, newest checkpoint, its hash, the best one, what it was made
// from, its cost in seconds and tokens) and one for each change of its config; `verify` reads the
// newest checkpoint of every stage. Nothing on the disk changes.
absl::Status Inspect(const std::string& path, bool verify, std::ostream& out);

}  // namespace deduce
