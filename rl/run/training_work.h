// The kinds of stages that train the run's model: its weights and optimizer, the rate of a step,
// the metrics that all of them have. A kind says what it trains on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/records/row_filter.h"
#include "rl/evaluate/evaluate.h"
#include "rl/run/stage_work.h"
#include "trainer/step/rank_model.h"
#include "trainer/step/train_step.h"

namespace deduce {

// The stage's evaluator, if it evaluates. Errors: those of Evaluator::Create.
absl::StatusOr<std::optional<Evaluator>> MakeStageEvaluator(const StageSetup& setup);

// Tokens of the longest sample that a stage can train on: it fits the model and a micro-batch.
int64_t MaxSampleTokens(const StageSetup& setup);

class TrainingWork : public StageWork {
 public:
  absl::Status Prepare(RunContext& context, const StageStart& start) override;
  absl::StatusOr<StepReport> Step(int64_t step) override;
  absl::Status Evaluate(MetricsRecord& record) override;
  absl::StatusOr<std::string> WeightsHash() override;
  std::vector<TensorSlice> Slices(bool only_model) override;
  nlohmann::ordered_json State() const override;

 protected:
  // The outcome of a kind's step.
  struct Trained {
    // The last update's; finite is false if any was skipped. None if there was nothing to train
    // on.
    std::optional<StepStats> stats;
    MetricsRecord metrics;  // the kind's; those named timing_s/... are times
    int64_t num_tokens = 0;
    bool has_mtp_loss = false;  // the prediction module was trained, if the model has it
  };

  // `rows`: of the stage's file, if it has one.
  TrainingWork(const StageSetup& setup, std::optional<Evaluator> evaluator, RowReport rows)
      : stage_(setup.stage()), evaluator_(std::move(evaluator)), rows_(std::move(rows)) {}

  // Collective over the world. Trains on what the kind trains on, at the given rate.
  virtual absl::StatusOr<Trained> Train(int64_t step, const StepOptions& options) = 0;

  // Collective over the world, when the weights are there: what a kind has beside them, from the
  // checkpoint where the stage goes on from one.
  virtual absl::Status PrepareMore(const StageStart& /*start*/) { return absl::OkStatus(); }
  virtual std::vector<TensorSlice> MoreSlices() { return {}; }

  const StageConfig& stage() const { return stage_; }
  RunContext& context() const { return *context_; }
  RankModel& model() { return *model_; }
  TrainState& state() { return *state_; }

 private:
  void SayWhatIsRead() const;
  void AppendUpdate(const StepStats& stats, bool has_mtp_loss, MetricsRecord& metrics) const;

  StageConfig stage_;
  std::optional<Evaluator> evaluator_;
  RowReport rows_;
  RunContext* context_ = nullptr;
  std::optional<RankModel> model_;
  std::optional<TrainState> state_;
};

}  // namespace deduce
