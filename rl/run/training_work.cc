#include "rl/run/training_work.h"

#include <algorithm>
#include <iostream>
#include <utility>

#include "configs/status.h"
#include "trainer/hugging_face/read_weights.h"
#include "trainer/step/learning_rate.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {

absl::StatusOr<std::optional<Evaluator>> MakeStageEvaluator(const StageSetup& setup) {
  if (!setup.stage().has_evaluate()) return std::optional<Evaluator>();
  return Evaluator::Create(setup.stage(), setup.config.seed(), setup.tokenizer,
                           setup.config.model().max_position_embeddings(), setup.where());
}

int64_t MaxSampleTokens(const StageSetup& setup) {
  return std::min(setup.config.model().max_position_embeddings(),
                  setup.stage().micro_batch_tokens());
}

absl::Status TrainingWork::Prepare(RunContext& context, const StageStart& start) {
  context_ = &context;
  if (context.log != nullptr) SayWhatIsRead();
  const RunConfig& config = context.config;
  // Where weights are read, the initial ones need no random numbers.
  model_.emplace(config.model(),
                 start.fresh() ? std::optional<uint64_t>(config.seed()) : std::nullopt,
                 context.ranks, config.layout().zero_stage() > 0);
  state_.emplace(*model_, config.layout().recompute());
  state_->recorder = context.recorder;
  absl::Status read;
  if (start.resumed) {
    read = ReadWeights(*start.resumed, "", *model_);
    if (read.ok()) read = ReadMoments(*start.resumed, *state_);
    state_->set_num_updates(start.resumed->state().value("num_updates", int64_t{0}));
  } else if (start.weights) {
    read = ReadWeights(*start.weights, "", *model_);
  } else if (start.source != nullptr) {
    read = ReadHuggingFaceWeights(*start.source, *model_);
  }
  RETURN_IF_ERROR(AgreeOnStatus(*context.ranks.world, read));
  return PrepareMore(start);
}

// Rank 0's.
void TrainingWork::SayWhatIsRead() const {
  if (rows_.num_rows > 0)
    std::cerr << "data: stage " << stage_.name() << ": " << rows_.Text() << std::endl;
  if (evaluator_ && !evaluator_->rows_text().empty()) {
    std::cerr << "data: evaluation of stage " << stage_.name() << ": " << evaluator_->rows_text()
              << std::endl;
  }
}

void TrainingWork::AppendUpdate(const StepStats& stats, bool has_mtp_loss,
                                MetricsRecord& metrics) const {
  metrics.emplace_back("loss", stats.Loss());
  if (has_mtp_loss && model_->config().num_nextn_predict_layers() > 0)
    metrics.emplace_back("mtp_loss", stats.Loss("mtp_loss"));
  metrics.emplace_back("grad_norm", stats.grad_norm);
  metrics.emplace_back("skipped_updates", int64_t{stats.finite ? 0 : 1});
  if (!model_->config().has_moe()) return;
  metrics.emplace_back("moe/max_over_mean_load", stats.max_over_mean_load);
  metrics.emplace_back("moe/balance_loss", stats.Loss("balance_loss"));
  if (context_->ranks.layout.expert_parallel > 1)
    metrics.emplace_back("perf/max_over_mean_rank_load", stats.max_over_mean_rank_load);
}

absl::StatusOr<StepReport> TrainingWork::Step(int64_t step) {
  const StepOptions options{.learning_rate = LearningRate(stage_.optimizer(), step, stage_.steps()),
                            .optimizer = stage_.optimizer()};
  ASSIGN_OR_RETURN(Trained trained, Train(step, options));
  StepReport report{.num_tokens = trained.num_tokens,
                    .finite = !trained.stats || trained.stats->finite};
  MetricsRecord& metrics = report.metrics;
  metrics.emplace_back("lr", options.learning_rate);
  if (trained.stats) {
    AppendUpdate(*trained.stats, trained.has_mtp_loss, metrics);
  } else {
    metrics.emplace_back("skipped_updates", int64_t{1});
  }
  for (auto& entry : trained.metrics) {
    (entry.first.starts_with("timing_s/") ? report.times : metrics).push_back(std::move(entry));
  }
  if (step == 0 && (stage_.data().drop_too_long() || stage_.data().drop_bad_rows())) {
    metrics.emplace_back("data/rows", rows_.num_rows);
    metrics.emplace_back("data/too_long", rows_.NumTooLong());
    metrics.emplace_back("data/bad", rows_.NumBad());
  }
  return report;
}

absl::Status TrainingWork::Evaluate(MetricsRecord& record) {
  return evaluator_->Append(*model_, record);
}

absl::StatusOr<std::string> TrainingWork::WeightsHash() { return HashOfWeights(*model_); }

std::vector<TensorSlice> TrainingWork::Slices(bool only_model) {
  std::vector<TensorSlice> slices = WeightSlices(*model_);
  if (only_model) return slices;
  for (TensorSlice& slice : MomentSlices(*state_)) slices.push_back(std::move(slice));
  for (TensorSlice& slice : MoreSlices()) slices.push_back(std::move(slice));
  return slices;
}

nlohmann::ordered_json TrainingWork::State() const {
  return {{"num_updates", state_->num_updates()}};
}

}  // namespace deduce
