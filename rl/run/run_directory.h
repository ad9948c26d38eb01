// The folder of a run: whose it is, and how far it has come.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "configs/run.pb.h"

namespace deduce {

enum class Resume {
  kAuto,   // go on where the folder's run stopped, or begin
  kMust,   // go on, or fail
  kNever,  // begin in a folder without a run, or fail
};

// Makes the folder ready for `config`: writes config.textproto, or, where a run is already, checks
// that it is this one (layout and checkpoint frequency may differ). For one rank. Errors (exit code
// 2): another config, naming the first field that differs; a run that `resume` forbids, or none
// that it demands. Nothing that exists is changed in these cases.
absl::Status PrepareRunDirectory(const RunConfig& config, Resume resume);

// Where each stage stands.
struct StageProgress {
  std::string last_checkpoint;  // of the highest step; empty: none
  int64_t last_step = 0;
  bool finished = false;  // the checkpoint of the stage's last step is there
};

// One entry per stage of `config`.
absl::StatusOr<std::vector<StageProgress>> FindProgress(const RunConfig& config);

// The last checkpoint of the stage of another run that stage `index` of `config` starts from, by
// its init_from. Errors: exit code 2 (another model, naming the field) or 3 (no such run or stage,
// or it is not finished).
absl::StatusOr<std::string> WeightsOfAnotherRun(const RunConfig& config, int index);

}  // namespace deduce
