// Stages of kind grpo.
#include <bit>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "data/records/sample_table.h"
#include "rl/algorithm/explain_rewards.h"
#include "rl/algorithm/grpo.h"
#include "rl/reward/check_golds.h"
#include "rl/run/training_work.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

class GrpoWork : public TrainingWork {
 public:
  GrpoWork(const StageSetup& setup, std::optional<Evaluator> evaluator, const RowReport& report,
           Grpo grpo)
      : TrainingWork(setup, std::move(evaluator), report),
        grpo_(std::move(grpo)),
        tokenizer_(setup.tokenizer) {}

 private:
  // The reference begins as a copy of the stage's first weights. With beta 0 there is none.
  absl::Status PrepareMore(const StageStart& start) override {
    if (stage().grpo().beta() == 0) return absl::OkStatus();
    reference_.emplace(context().config.model(), /*seed=*/std::nullopt, context().ranks,
                       /*sharded=*/true);
    if (!start.resumed) {
      CopyWeights(model(), *reference_);
      return absl::OkStatus();
    }
    return AgreeOnStatus(*context().ranks.world,
                         ReadWeights(*start.resumed, kReferencePrefix, *reference_));
  }

  std::vector<TensorSlice> MoreSlices() override {
    if (!reference_) return {};
    return WeightSlices(*reference_, kReferencePrefix);
  }

  absl::StatusOr<Trained> Train(int64_t step, const StepOptions& options) override {
    ASSIGN_OR_RETURN(GrpoResult result,
                     grpo_.Step(state(), reference_ ? &*reference_ : nullptr, step, options));
    RETURN_IF_ERROR(AgreeOnStatus(*context().ranks.world, WriteRollouts(step + 1, result.samples)));
    if (context().log != nullptr) SayWhyNothingIsLearned(step + 1, result.samples);
    return Trained{.stats = result.last_update,
                   .metrics = std::move(result.metrics),
                   .num_tokens = result.num_tokens};
  }

  // Among the steps since the start that have something to say, the 1st, 2nd, 4th, 8th, ... say it,
  // and the 1st, 16th, 256th, ... add an example.
  void SayWhyNothingIsLearned(int64_t step, const SampleTable& samples) {
    const std::string why = ExplainRewards(samples);
    if (why.empty()) return;
    const uint64_t count = ++num_explained_;
    if (!std::has_single_bit(count)) return;
    context().log->Say(absl::StrCat("stage ", stage().name(), ", step ", step, ": ", why));
    const std::string example = ExampleOfReward(samples);
    if (!example.empty() && std::countr_zero(count) % 4 == 0) context().log->Say("  " + example);
  }

  // Rank 0, where the step's samples are wanted.
  absl::Status WriteRollouts(int64_t step, SampleTable& samples) const {
    if (context().log == nullptr || step % stage().grpo().save_rollouts_every() != 0)
      return absl::OkStatus();
    SetTokenTexts(*tokenizer_, samples);
    return WriteSampleTable(
        absl::StrCat(context().run_dir, "/rollouts/", stage().name(), "/", step, ".jsonl"),
        samples);
  }

  Grpo grpo_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::optional<RankModel> reference_;
  uint64_t num_explained_ = 0;
};

}  // namespace

// Errors: those of SynchronousRollouts, CheckGolds and the evaluator, before any work.
absl::StatusOr<std::unique_ptr<StageWork>> MakeGrpoWork(const StageSetup& setup) {
  ASSIGN_OR_RETURN(const std::shared_ptr<SynchronousRollouts> rollouts,
                   SynchronousRollouts::Create(setup.stage(), setup.config.seed(), setup.tokenizer,
                                               setup.where()));
  RowReport report = rollouts->prompts().report();
  ASSIGN_OR_RETURN(report.remark, RemarkOnGolds(rollouts->prompts().problems()));
  ASSIGN_OR_RETURN(std::optional<Evaluator> evaluator, MakeStageEvaluator(setup));
  return std::make_unique<GrpoWork>(setup, std::move(evaluator), report,
                                    Grpo(setup.stage(), setup.config.seed(), rollouts));
}

}  // namespace deduce
