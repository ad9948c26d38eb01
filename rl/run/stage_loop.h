// One stage of a run, from its first step or from a checkpoint in its middle, to its last.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/text/tokenizer/tokenizer.h"
#include "parallel/rank_groups.h"
#include "rl/algorithm/distill.h"
#include "rl/algorithm/grpo.h"
#include "rl/evaluate/evaluate.h"
#include "rl/run/run_log.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/step/supervised.h"

namespace deduce {

// What all stages of a run share. Not owned.
struct RunContext {
  const RunConfig& config;
  RankGroups& ranks;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::string run_dir;
  RunLog* log;                                    // rank 0's; null elsewhere
  const HuggingFaceFolder* source;                // of config.model.hugging_face; null without
  std::map<std::string, std::string> kept_files;  // of it, for every checkpoint
};

// A stage whose data and rewards have been checked.
struct Stage {
  // `index` of the run's stages. Errors of data, task and verifiers, before any work.
  static absl::StatusOr<Stage> Create(const RunConfig& config, int index,
                                      std::shared_ptr<const Tokenizer> tokenizer);

  const StageConfig* config = nullptr;
  int64_t first_global_step = 0;         // steps of all stages before it
  std::optional<Supervised> supervised;  // or
  std::optional<Grpo> grpo;              // or
  std::optional<Distill> distill;
  std::optional<Evaluator> evaluator;
};

// Where a stage begins.
struct StageStart {
  std::string resume_from;   // a checkpoint of this stage; or
  std::string weights_from;  // a checkpoint to take weights of; or
  bool from_source = false;  // the weights of the run's Hugging Face folder; or fresh weights
};

enum class StageEnd { kFinished, kStopped };

// Collective over the world. Trains, evaluates, logs and saves. kStopped: SIGTERM came, and the
// state is saved.
absl::StatusOr<StageEnd> RunStage(RunContext& context, const Stage& stage, const StageStart& start);

// From now on SIGTERM asks running stages to save and stop.
void StopOnSigterm();

}  // namespace deduce
