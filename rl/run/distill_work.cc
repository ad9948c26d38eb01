// Stages of kind distill.
#include <ATen/Parallel.h>

#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "rl/algorithm/distill.h"
#include "rl/reward/check_golds.h"
#include "rl/run/training_work.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

class DistillWork : public TrainingWork {
 public:
  DistillWork(const StageSetup& setup, std::optional<Evaluator> evaluator, const RowReport& report,
              Distill distill)
      : TrainingWork(setup, std::move(evaluator), report), distill_(std::move(distill)) {}

  nlohmann::ordered_json State() const override {
    nlohmann::ordered_json state = TrainingWork::State();
    state["teacher_hash"] = teacher_hash_;
    return state;
  }

 private:
  absl::Status PrepareMore(const StageStart& start) override {
    Communicator& world = *context().ranks.world;
    const LayoutConfig& layout = context().config.layout();
    const std::string& dir = stage().distill().teacher();
    absl::StatusOr<Teacher> teacher = LoadTeacher(dir, model().config().compute(), world);
    RETURN_IF_ERROR(AgreeOnStatus(world, teacher.status()));
    teacher_ = *std::move(teacher);
    // A folder's own number of threads is for commands.
    at::set_num_threads(static_cast<int>(layout.threads_per_rank()));
    ASSIGN_OR_RETURN(teacher_hash_, HashOfWeights(*teacher_->folder.model));
    if (!start.resumed) return absl::OkStatus();
    const std::string before = start.resumed->state().value("teacher_hash", teacher_hash_);
    if (before == teacher_hash_) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(dir, ": found weights ", teacher_hash_,
                                                   ", expected those of the teacher of ",
                                                   start.resumed->dir(), ", ", before));
  }

  absl::StatusOr<Trained> Train(int64_t step, const StepOptions& options) override {
    ASSIGN_OR_RETURN(DistillResult result, distill_.Step(state(), *teacher_, step, options));
    if (!result.update && context().log != nullptr) {
      std::cerr << "stage " << stage().name() << ", step " << step + 1
                << ": nothing to learn from, as no completion was kept (" << result.truncated
                << " did not end, " << result.not_right << " were not right, " << result.too_long
                << " were too long for the student)" << std::endl;
    }
    const int64_t num_tokens = result.update ? result.update->num_tokens : 0;
    return Trained{.stats = std::move(result.update),
                   .metrics = std::move(result.metrics),
                   .num_tokens = num_tokens,
                   .has_mtp_loss = true};
  }

  Distill distill_;
  std::optional<Teacher> teacher_;
  std::string teacher_hash_;
};

}  // namespace

// Errors: those of Distill::Create, CheckGolds and the evaluator, before any work.
absl::StatusOr<std::unique_ptr<StageWork>> MakeDistillWork(const StageSetup& setup) {
  ASSIGN_OR_RETURN(Distill distill,
                   Distill::Create(setup.stage(), setup.config.seed(), setup.tokenizer,
                                   MaxSampleTokens(setup), setup.where()));
  RowReport report = distill.report();
  if (setup.stage().distill().only_right()) {
    ASSIGN_OR_RETURN(report.remark, RemarkOnGolds(distill.problems()));
  }
  ASSIGN_OR_RETURN(std::optional<Evaluator> evaluator, MakeStageEvaluator(setup));
  return std::make_unique<DistillWork>(setup, std::move(evaluator), report, std::move(distill));
}

}  // namespace deduce
