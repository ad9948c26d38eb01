// Running the stages of one text file, in order, resumable at any point.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "configs/run.pb.h"
#include "parallel/communicator/communicator.h"
#include "rl/run/run.h"

namespace deduce {

struct RunOptions {
  Resume resume = Resume::kAuto;
  // A checkpoint of the run to go on from, "STAGE/STEP"; what comes after it is moved aside. "":
  // the newest. Not with Resume::kNever.
  std::string resume_from = {};
};

// Collective over the world. Checks everything before any work, then runs what is left of the
// recipe: R1-Zero is pre-training and GRPO, R1 adds stages between (arXiv 2501.12948). `config` has
// passed Validate and names a run_dir, which rank 0 keeps locked. A stage starts from init_from's
// last checkpoint, by default the stage before it. A finished run says so and changes nothing.
absl::Status RunStages(const RunConfig& config, const RunOptions& options, Communicator& world);

}  // namespace deduce
