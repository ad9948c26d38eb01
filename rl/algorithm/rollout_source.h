// Where a GRPO step gets its samples from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/records/sample.pb.h"
#include "data/records/streams.h"
#include "data/text/tokenizer/tokenizer.h"
#include "rl/reward/rewards.h"
#include "trainer/step/rank_model.h"

namespace deduce {

class RolloutSource {
 public:
  virtual ~RolloutSource() = default;

  // Collective over the world. Asks for the samples of a step (from 0), which a policy with
  // `version` updates behind it is to write: the model as it is now. A source may begin the work,
  // do all of it, or have it done already.
  virtual absl::Status Start(RankModel& model, int64_t step, int64_t version) = 0;

  // Collective over the world. The graded samples of the step asked for first among those not taken
  // yet, with policy_version, the same on all ranks.
  virtual absl::StatusOr<SampleTable> Take() = 0;
};

// Rollouts on the trainer's own model, done when they are asked for.
class SynchronousRollouts : public RolloutSource {
 public:
  // For a stage of kind grpo; `where` is its field path. Errors: those of PromptStream and
  // RewardSet, before any work.
  static absl::StatusOr<std::shared_ptr<SynchronousRollouts>> Create(
      const StageConfig& stage, uint64_t seed, std::shared_ptr<const Tokenizer> tokenizer,
      const std::string& where);

  absl::Status Start(RankModel& model, int64_t step, int64_t version) override;
  absl::StatusOr<SampleTable> Take() override;

  const PromptStream& prompts() const { return prompts_; }

 private:
  SynchronousRollouts(const StageConfig& stage, PromptStream prompts, RewardSet rewards,
                      std::shared_ptr<const Tokenizer> tokenizer, uint64_t seed);

  GrpoConfig config_;
  PromptStream prompts_;
  RewardSet rewards_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  uint64_t stream_;
  std::vector<SampleTable> ready_;  // in the order they were asked for
};

// The tables that a run wrote: FOLDER/STEP.jsonl, steps from 1.
class ReplayedRollouts : public RolloutSource {
 public:
  explicit ReplayedRollouts(std::string folder) : folder_(std::move(folder)) {}

  // Errors: those of ReadSampleTable; InvalidArgument for samples of another step.
  absl::Status Start(RankModel& model, int64_t step, int64_t version) override;
  absl::StatusOr<SampleTable> Take() override;

 private:
  std::string folder_;
  std::vector<SampleTable> ready_;
};

}  // namespace deduce
