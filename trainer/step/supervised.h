// Pre-training and supervised fine-tuning: batches of a sample stream, trained with cross entropy.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/records/streams.h"
#include "data/text/tokenizer/tokenizer.h"
#include "trainer/step/deal_samples.h"
#include "trainer/step/train_step.h"

namespace deduce {

// Which tokens of a sample have a loss, and what the prediction module's loss counts.
struct SampleLoss {
  bool completion_only = false;
  double mtp_weight = 0;
};

// Whether a stage learns no prompts: as its config says, else unless it is of kind pretrain.
bool LearnsCompletionsOnly(const StageConfig& stage);

// The turns of conversations that the stage learns.
LearnedTurns TurnsOf(const StageConfig& stage);

// The counts of CrossEntropy for a step on samples of these shapes.
Counts CountsOf(const std::vector<SampleShape>& shapes, const SampleLoss& loss);

// Collective over the world. One optimizer step on the samples that `make` makes of 0 to
// num_samples - 1, the same on every rank, with the cross entropy of all their tokens or of their
// completions only. Errors: those of DealSamples, before any work.
absl::StatusOr<StepStats> TrainOnSamples(TrainState& state, int64_t num_samples,
                                         const MakeSample& make, int64_t micro_batch_tokens,
                                         const SampleLoss& loss, const StepOptions& options);

class Supervised {
 public:
  // `where` is the stage's field path. Errors: those of SampleStream, before any work.
  static absl::StatusOr<Supervised> Create(const StageConfig& stage, uint64_t seed,
                                           std::shared_ptr<const Tokenizer> tokenizer,
                                           int64_t max_tokens, const std::string& where);

  // Collective over the world. Optimizer step `step` (from 0) of the stage: samples
  // step * samples_per_step and following, with the rate of `options`. Pre-training predicts every
  // token, fine-tuning those of completions, or of the turns of conversations that are learned.
  absl::StatusOr<StepStats> Step(TrainState& state, int64_t step, const StepOptions& options) const;

  const RowReport& report() const { return stream_.report(); }

 private:
  Supervised(const StageConfig& stage, SampleStream stream)
      : stage_(stage),
        config_(stage.has_sft() ? stage.sft() : stage.pretrain()),
        stream_(std::move(stream)) {}

  StageConfig stage_;
  SupervisedConfig config_;
  SampleStream stream_;
};

}  // namespace deduce
