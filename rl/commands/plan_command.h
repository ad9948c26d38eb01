// `deduce plan`: what a run would be, before any rank works.
#pragma once

#include <ostream>

#include "absl/status/status.h"
#include "rl/commands/command_line.h"

namespace deduce {

// --config, --set, --ranks, --json, --trace=FILE. Prints to `out`; needs neither the tokenizer nor
// the data that the config names. Errors carry their exit code: 2 for the command line, the config
// and a plan that does not hold, 3 for a model folder that cannot be read, 1 for a trace that
// cannot be written. Nothing is printed or written unless the plan holds.
absl::Status PlanCommand(const Arguments& arguments, std::ostream& out);

}  // namespace deduce
