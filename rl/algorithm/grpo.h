// Group relative policy optimisation (DeepSeekMath, arXiv 2402.03300, section 4.1) as the R1 paper
// runs it (arXiv 2501.12948): outcome rewards by rule, KL to a reference in the loss, the reference
// replaced by the policy every ref_update_interval updates, a rollout batch split into
// mini-batches, one inner epoch unless num_iterations says more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "configs/run.pb.h"
#include "data/records/sample.pb.h"
#include "data/text/tokenizer/tokenizer.h"
#include "rl/algorithm/rollout_source.h"
#include "trainer/metrics/metrics.h"
#include "trainer/step/train_step.h"

namespace deduce {

struct GrpoResult {
  MetricsRecord metrics;
  StepStats last_update;  // finite is false if any update of the step was skipped
  int64_t num_tokens = 0;
  SampleTable samples;  // the same on all ranks
};

class Grpo {
 public:
  // On rollouts of its own. `where` is the stage's field path. Errors: those of
  // SynchronousRollouts, before any work.
  static absl::StatusOr<Grpo> Create(const StageConfig& stage, uint64_t seed,
                                     std::shared_ptr<const Tokenizer> tokenizer,
                                     const std::string& where);

  // On the samples of a source.
  Grpo(const StageConfig& stage, uint64_t seed, std::shared_ptr<RolloutSource> source);

  // Collective over the world. GRPO step `step` (from 0): graded samples of the source,
  // advantages, log-probabilities under the reference (the frozen policy of the KL term; not
  // needed, and may be null, with beta 0), then one TrainStep for each mini-batch.
  absl::StatusOr<GrpoResult> Step(TrainState& state, RankModel* reference, int64_t step,
                                  const StepOptions& options) const;

 private:
  std::vector<StepBatch> MiniBatches(const SampleTable& table, int64_t step,
                                     int64_t iteration) const;

  StageConfig stage_;
  std::shared_ptr<RolloutSource> source_;
  uint64_t shuffle_stream_;
};

}  // namespace deduce
