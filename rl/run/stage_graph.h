// Where the stages of a run stand: nodes that are made from weights and data, and whose output is
// the checkpoint of their last step. A stage is done when that is there with its hash.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "rl/run/stage_inputs.h"
#include "trainer/checkpoint/checkpoint_folders.h"

namespace deduce {

struct StageNode {
  enum class State {
    kWaiting,   // nothing is there
    kBegun,     // a checkpoint of an earlier step is there
    kFinished,  // the checkpoint of the last step is there
    kGone,      // it is not, and nobody needs it: stages that start from it have begun
  };
  State state = State::kWaiting;
  std::string checkpoint;        // the newest; "": none
  int64_t step = 0;              // of that
  nlohmann::json saved;          // its state
  std::optional<int64_t> best;   // the step with the best value of checkpoint.best_metric so far
  std::vector<Artifact> inputs;  // as it was made from
  Artifact output;               // the weights; hash "" until finished

  bool needs_work() const { return state == State::kWaiting || state == State::kBegun; }
};

// "waiting", "begun", "finished" or "gone".
std::string StateName(StageNode::State state);

// Whether a checkpoint of a stage of `config` comes after `point`: in a later stage, or at a later
// step of the same one.
bool IsAfter(const RunConfig& config, const CheckpointEntry& entry, const CheckpointEntry& point);

// One node a stage of `config`, from the checkpoints in run_dir, without those that come after
// `end`. Changes nothing. Errors (exit code 3): those of CheckpointReader.
absl::StatusOr<std::vector<StageNode>> ReadStageGraph(
    const RunConfig& config, const std::string& run_dir,
    const std::optional<CheckpointEntry>& end = std::nullopt);

// Error (exit code 3) if the nodes cannot be one history: a stage needs work while one after it has
// begun, whose lines in metrics.jsonl come after; a stage started from other weights than those
// that are there; or a stage has to go on from a checkpoint of weights alone
// (checkpoint.save_only_model).
absl::Status CheckHistory(const RunConfig& config, const std::string& run_dir,
                          const std::vector<StageNode>& nodes);

// Bytes of metrics.jsonl that belong to what is kept: those at the newest checkpoint.
int64_t MetricsOffset(const std::vector<StageNode>& nodes);

}  // namespace deduce
