// The texts with which `train` begins and ends.
#pragma once

#include <string>

#include "configs/run.pb.h"

namespace deduce {

// The run in a few lines: model, layout, stages, and of the settings those that are not the
// default, in the language of configs; then where all of them are written. compute: what
// ResolveComputeType said.
std::string StartText(const RunConfig& config, int num_ranks, const std::string& compute);

// Where the results of a finished run are, and the commands to type next, with this program as
// it was started. checkpoint: the run's last.
std::string EndText(const RunConfig& config, const std::string& checkpoint);

}  // namespace deduce
