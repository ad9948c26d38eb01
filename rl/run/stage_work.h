// A kind of stage is a class that does its work. The loop around it (stage_loop) evaluates, logs,
// saves, traces and stops, and knows no kind; make_stage_work has the table of kinds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "configs/run.pb.h"
#include "data/text/tokenizer/tokenizer.h"
#include "parallel/pipeline/action_recorder.h"
#include "parallel/rank_groups.h"
#include "rl/run/run_log.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/checkpoint_reader.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/metrics/metrics.h"

namespace deduce {

// Shared by all stages of a run; not owned.
struct RunContext {
  const RunConfig& config;
  RankGroups& ranks;
  std::string run_dir;
  RunLog* log = nullptr;                     // rank 0's; null elsewhere
  ActionRecorder* recorder = nullptr;        // of what steps do, if traces are wanted
  std::map<std::string, std::string> files;  // beside the tensors of every checkpoint, by name
  std::function<bool()> stop_requested;      // whether this rank was asked to save and stop
};

// Where a stage begins: at one of these, or with fresh weights.
struct StageStart {
  std::optional<CheckpointReader> resumed;    // of this stage
  std::optional<CheckpointReader> weights;    // whose weights it takes
  const HuggingFaceFolder* source = nullptr;  // likewise
  nlohmann::json inputs;                      // what the stage is made from, for its checkpoints

  bool fresh() const { return !resumed && !weights && source == nullptr; }
};

// A stage of a run's config, as its work is made from it.
struct StageSetup {
  const RunConfig& config;
  int index;
  std::shared_ptr<const Tokenizer> tokenizer;

  const StageConfig& stage() const { return config.stage(index); }
  std::string where() const { return absl::StrCat("stage[", index, "]"); }
};

// One step, as its line in metrics.jsonl has it.
struct StepReport {
  MetricsRecord metrics;  // in the line's order
  MetricsRecord times;    // timing_s/..., at its end
  int64_t num_tokens = 0;
  bool finite = true;  // false: an update was skipped, since its gradient was not finite
};

// Every member but State is collective over the world. Data and rewards are checked when the work
// is made; memory for weights is taken by Prepare.
class StageWork {
 public:
  virtual ~StageWork() = default;

  // Reads or makes what the stage begins with. `context` must outlive the work.
  virtual absl::Status Prepare(RunContext& context, const StageStart& start) = 0;

  // Step `step` (from 0).
  virtual absl::StatusOr<StepReport> Step(int64_t step) = 0;

  // Appends eval/TASK/... of the held-out problems. Called only where the stage has `evaluate`.
  virtual absl::Status Evaluate(MetricsRecord& record) = 0;

  virtual absl::StatusOr<std::string> WeightsHash() = 0;

  // The tensors of a checkpoint: over all ranks every element of every tensor exactly once.
  // only_model: weights without what only a stage that goes on needs.
  virtual std::vector<TensorSlice> Slices(bool only_model) = 0;

  // Numbers that a checkpoint holds beside the tensors, and Prepare reads from its state.
  virtual nlohmann::ordered_json State() const = 0;
};

}  // namespace deduce
