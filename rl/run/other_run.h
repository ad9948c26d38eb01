// Weights that a stage takes from another run: init_from "RUN_DIR#STAGE".
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/text/tokenizer/tokenizer.h"

namespace deduce {

// The last checkpoint of the stage of another run that stage `index` of `config` starts from.
// Errors: exit code 2 (another model, naming the field, or tokenizer) or 3 (no such run or stage,
// or it is not finished). Changes nothing.
absl::StatusOr<std::string> WeightsOfAnotherRun(const RunConfig& config, int index,
                                                const Tokenizer& tokenizer);

}  // namespace deduce
