// Stages of kinds pretrain and sft.
#include <utility>

#include "configs/status.h"
#include "rl/run/training_work.h"
#include "trainer/metrics/clock.h"
#include "trainer/step/supervised.h"

namespace deduce {
namespace {

class SupervisedWork : public TrainingWork {
 public:
  SupervisedWork(const StageSetup& setup, std::optional<Evaluator> evaluator, Supervised supervised)
      : TrainingWork(setup, std::move(evaluator), supervised.report()),
        supervised_(std::move(supervised)) {}

 private:
  absl::StatusOr<Trained> Train(int64_t step, const StepOptions& options) override {
    const double start = SecondsNow();
    ASSIGN_OR_RETURN(const StepStats stats, supervised_.Step(state(), step, options));
    return Trained{.stats = stats,
                   .metrics = {{"timing_s/train", SecondsNow() - start}},
                   .num_tokens = stats.num_tokens,
                   .has_mtp_loss = true};
  }

  Supervised supervised_;
};

}  // namespace

// Errors: those of Supervised::Create and of the evaluator, before any work.
absl::StatusOr<std::unique_ptr<StageWork>> MakeSupervisedWork(const StageSetup& setup) {
  ASSIGN_OR_RETURN(Supervised supervised,
                   Supervised::Create(setup.stage(), setup.config.seed(), setup.tokenizer,
                                      MaxSampleTokens(setup), setup.where()));
  ASSIGN_OR_RETURN(std::optional<Evaluator> evaluator, MakeStageEvaluator(setup));
  return std::make_unique<SupervisedWork>(setup, std::move(evaluator), std::move(supervised));
}

}  // namespace deduce
