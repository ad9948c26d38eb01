#include "rl/run/stage_loop.h"

#include <ATen/Parallel.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "data/records/sample_table.h"
#include "parallel/pipeline/chrome_trace.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/checkpoint_folders.h"
#include "trainer/checkpoint/checkpoint_reader.h"
#include "trainer/hugging_face/read_weights.h"
#include "trainer/metrics/clock.h"
#include "trainer/step/learning_rate.h"
#include "trainer/step/tensor_slices.h"

namespace deduce {
namespace {

volatile std::sig_atomic_t stop_requested = 0;

// Collective. True on all ranks once any has been asked to stop.
bool AnyRankStops(Communicator& world) {
  for (const std::string& flag : world.AllGatherBytes(stop_requested ? "1" : "0")) {
    if (flag == "1") return true;
  }
  return false;
}

// A stage under way: the weights, and the counters that a checkpoint holds beside them.
class StageLoop {
 public:
  // fresh: no weights are read, so the initial ones are those of the run's seed.
  StageLoop(RunContext& context, const Stage& stage, bool fresh)
      : context_(context),
        stage_(stage),
        config_(*stage.config),
        world_(*context.ranks.world),
        model_(context.config.model(),
               fresh ? std::optional<uint64_t>(context.config.seed()) : std::nullopt, context.ranks,
               context.config.layout().zero_stage() > 0),
        state_(model_, context.config.layout().recompute()) {
    if (context.config.layout().trace_every_steps() > 0) state_.recorder = &recorder_;
    if (!stage.grpo) return;
    // A copy of the model's weights, or read with them.
    reference_.emplace(context.config.model(), /*seed=*/std::nullopt, context.ranks,
                       /*sharded=*/true);
  }

  absl::Status Begin(const StageStart& start);
  absl::StatusOr<StageEnd> Run();

 private:
  absl::Status Restore(const std::string& dir);
  absl::Status EvaluateBeforeFirstStep();
  absl::Status TrainOneStep();
  absl::Status EvaluateLogSave(MetricsRecord head, MetricsRecord tail, double start,
                               int64_t tokens);
  absl::Status Log(const MetricsRecord& record);
  absl::Status Save();
  absl::Status SaveTrace();
  bool Due(int64_t interval) const { return interval > 0 && step_ % interval == 0; }
  bool SavesNow() const {
    return step_ == config_.steps() || Due(context_.config.checkpoint().every_steps());
  }
  MetricsRecord RecordHead() const;

  RunContext& context_;
  const Stage& stage_;
  const StageConfig& config_;
  Communicator& world_;
  RankModel model_;
  ActionRecorder recorder_;
  TrainState state_;
  std::optional<RankModel> reference_;
  std::optional<Teacher> teacher_;

  int64_t step_ = 0;  // done
  int64_t saved_step_ = -1;
  int64_t num_tokens_ = 0;  // of the run
  int64_t nonfinite_in_a_row_ = 0;
  double checkpoint_seconds_ = 0;  // of the last save, told in the next line
};

absl::Status StageLoop::Restore(const std::string& dir) {
  ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(dir));
  RETURN_IF_ERROR(ReadWeights(reader, "", model_));
  RETURN_IF_ERROR(ReadMoments(reader, state_));
  if (reference_) RETURN_IF_ERROR(ReadWeights(reader, kReferencePrefix, *reference_));
  const nlohmann::json& saved = reader.state();
  step_ = saved_step_ = saved.value("step", int64_t{0});
  num_tokens_ = saved.value("num_tokens", int64_t{0});
  nonfinite_in_a_row_ = saved.value("nonfinite_in_a_row", int64_t{0});
  state_.set_num_updates(saved.value("num_updates", int64_t{0}));
  return absl::OkStatus();
}

absl::Status StageLoop::Begin(const StageStart& start) {
  if (stage_.distill) {
    absl::StatusOr<Teacher> teacher =
        LoadTeacher(config_.distill().teacher(), context_.config.model().compute(), world_);
    RETURN_IF_ERROR(AgreeOnStatus(world_, teacher.status()));
    teacher_ = *std::move(teacher);
    // A folder's own number of threads is for commands.
    at::set_num_threads(static_cast<int>(context_.config.layout().threads_per_rank()));
  }
  if (!start.resume_from.empty()) return AgreeOnStatus(world_, Restore(start.resume_from));
  if (!start.weights_from.empty()) {
    const auto read = [&]() -> absl::Status {
      ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(start.weights_from));
      num_tokens_ = reader.state().value("num_tokens", int64_t{0});
      return ReadWeights(reader, "", model_);
    };
    RETURN_IF_ERROR(AgreeOnStatus(world_, read()));
  } else if (start.from_source) {
    RETURN_IF_ERROR(AgreeOnStatus(world_, ReadHuggingFaceWeights(*context_.source, model_)));
  }
  if (reference_) CopyWeights(model_, *reference_);
  return absl::OkStatus();
}

MetricsRecord StageLoop::RecordHead() const {
  return {{"stage", config_.name()},
          {"stage_kind", StageKind(config_)},
          {"step", step_},
          {"global_step", stage_.first_global_step + step_},
          {"num_tokens", num_tokens_}};
}

// Collective. Rank 0 writes; all ranks learn whether it could.
absl::Status StageLoop::Log(const MetricsRecord& record) {
  return AgreeOnStatus(world_, context_.log ? context_.log->Write(record) : absl::OkStatus());
}

absl::Status StageLoop::Save() {
  const ActionScope action(world_, "checkpoint");
  const double start = SecondsNow();
  int64_t offset = 0;
  absl::Status synced;
  if (context_.log) {
    absl::StatusOr<int64_t> result = context_.log->SyncedOffset();
    synced = result.status();
    if (result.ok()) offset = *result;
  }
  RETURN_IF_ERROR(AgreeOnStatus(world_, synced));
  std::vector<TensorSlice> slices = WeightSlices(model_);
  for (TensorSlice& slice : MomentSlices(state_)) slices.push_back(std::move(slice));
  if (reference_) {
    for (TensorSlice& slice : WeightSlices(*reference_, kReferencePrefix))
      slices.push_back(std::move(slice));
  }
  ASSIGN_OR_RETURN(const std::string hash, HashOfWeights(model_));
  const nlohmann::ordered_json saved = {
      {"stage", config_.name()},
      {"stage_kind", StageKind(config_)},
      {"step", step_},
      {"global_step", stage_.first_global_step + step_},
      {"num_tokens", num_tokens_},
      {"num_updates", state_.num_updates()},
      {"weights_hash", hash},
      {"nonfinite_in_a_row", nonfinite_in_a_row_},
      {"metrics_offset", offset},
      {"threads_per_rank", context_.config.layout().threads_per_rank()}};
  std::map<std::string, std::string> files = context_.kept_files;
  files["config.textproto"] = ConfigText(context_.config);
  files["tokenizer.json"] = context_.tokenizer->json();
  if (!context_.tokenizer->config_json().empty()) {
    files["tokenizer_config.json"] = context_.tokenizer->config_json();
  }
  if (const auto& chat = context_.tokenizer->chat_template(); chat.ok()) {
    files["chat_template.jinja"] = chat->text();
  }
  RETURN_IF_ERROR(SaveCheckpoint(world_, CheckpointDir(context_.run_dir, config_.name(), step_),
                                 slices, saved.dump(), files));
  saved_step_ = step_;
  absl::Status removed;
  if (world_.rank() == 0) {
    removed = RemoveOldCheckpoints(CheckpointStageDir(context_.run_dir, config_.name()),
                                   context_.config.checkpoint().keep_last(), {config_.steps()});
  }
  checkpoint_seconds_ = SecondsNow() - start;
  return AgreeOnStatus(world_, removed);
}

// Collective. Rank 0 writes what all ranks did in this step, if it is due.
absl::Status StageLoop::SaveTrace() {
  if (state_.recorder == nullptr) return absl::OkStatus();
  const std::string name = absl::StrCat("measured: ", config_.name(), " step ", step_);
  const Layout& layout = context_.ranks.layout;
  const std::string trace = recorder_.TakeTrace(
      {layout.replica(), layout.part(), layout.num_parts(), layout.pipeline_rank}, world_, name);
  if (!Due(context_.config.layout().trace_every_steps())) return absl::OkStatus();
  absl::Status written;
  if (world_.rank() == 0) {
    const std::string folder = absl::StrCat(context_.run_dir, "/traces/", config_.name());
    std::error_code ignored;  // writing reports what is wrong
    std::filesystem::create_directories(folder, ignored);
    written = WriteTrace(absl::StrCat(folder, "/", step_, ".json"), trace);
  }
  return AgreeOnStatus(world_, written);
}

absl::Status StageLoop::EvaluateBeforeFirstStep() {
  const ActionScope action(world_, absl::StrCat(config_.name(), " step 0"));
  MetricsRecord record = RecordHead();
  RETURN_IF_ERROR(stage_.evaluator->Append(model_, record));
  return Log(record);
}

// What every line of a training step ends with: evaluation, hash, speed; then the checkpoint, if it
// is due.
absl::Status StageLoop::EvaluateLogSave(MetricsRecord head, MetricsRecord tail, double start,
                                        int64_t tokens) {
  const double seconds = SecondsNow() - start;
  if (stage_.evaluator && (step_ == config_.steps() || Due(config_.evaluate().every_steps()))) {
    RETURN_IF_ERROR(stage_.evaluator->Append(model_, head));
  }
  if (SavesNow() || context_.config.checkpoint().weights_hash_every_step()) {
    ASSIGN_OR_RETURN(const std::string hash, HashOfWeights(model_));
    head.emplace_back("weights_hash", hash);
  }
  head.emplace_back("step_time", seconds);
  head.emplace_back("perf/throughput", static_cast<double>(tokens) / seconds);
  head.insert(head.end(), tail.begin(), tail.end());
  head.emplace_back("timing_s/checkpoint", std::exchange(checkpoint_seconds_, 0.0));
  RETURN_IF_ERROR(Log(head));
  return SavesNow() ? Save() : absl::OkStatus();
}

absl::Status StageLoop::TrainOneStep() {
  const ActionScope action(world_, absl::StrCat(config_.name(), " step ", step_ + 1));
  const double start = SecondsNow();
  const double rate = LearningRate(config_.optimizer(), step_, config_.steps());
  StepStats stats;
  MetricsRecord rl_metrics;
  MetricsRecord times;
  int64_t tokens = 0;
  if (stage_.grpo) {
    ASSIGN_OR_RETURN(GrpoResult result, stage_.grpo->Step(state_, *reference_, step_));
    stats = result.last_update;
    tokens = result.num_tokens;
    for (auto& entry : result.metrics)
      (entry.first.starts_with("timing_s/") ? times : rl_metrics).push_back(entry);
    absl::Status written;
    const int64_t interval = config_.grpo().save_rollouts_every();
    if (context_.log && interval > 0 && (step_ + 1) % interval == 0) {
      SetTokenTexts(*context_.tokenizer, result.samples);
      written = WriteSampleTable(
          absl::StrCat(context_.run_dir, "/rollouts/", config_.name(), "/", step_ + 1, ".jsonl"),
          result.samples);
    }
    RETURN_IF_ERROR(AgreeOnStatus(world_, written));
  } else if (stage_.distill) {
    ASSIGN_OR_RETURN(DistillResult result, stage_.distill->Step(state_, *teacher_, step_));
    stats = result.update;
    tokens = stats.num_tokens;
    for (auto& entry : result.metrics)
      (entry.first.starts_with("timing_s/") ? times : rl_metrics).push_back(entry);
  } else {
    ASSIGN_OR_RETURN(stats, stage_.supervised->Step(state_, step_));
    tokens = stats.num_tokens;
    times.emplace_back("timing_s/train", SecondsNow() - start);
  }
  ++step_;
  RETURN_IF_ERROR(SaveTrace());
  num_tokens_ += tokens;
  nonfinite_in_a_row_ = stats.finite ? 0 : nonfinite_in_a_row_ + 1;

  MetricsRecord head = RecordHead();
  head.emplace_back("lr", rate);
  head.emplace_back("loss", stats.Loss());
  if (!stage_.grpo && model_.config().num_nextn_predict_layers() > 0)
    head.emplace_back("mtp_loss", stats.Loss("mtp_loss"));
  head.emplace_back("grad_norm", stats.grad_norm);
  head.emplace_back("skipped_updates", int64_t{stats.finite ? 0 : 1});
  if (model_.config().has_moe()) {
    head.emplace_back("moe/max_over_mean_load", stats.max_over_mean_load);
    head.emplace_back("moe/balance_loss", stats.Loss("balance_loss"));
    if (context_.ranks.layout.expert_parallel > 1)
      head.emplace_back("perf/max_over_mean_rank_load", stats.max_over_mean_rank_load);
  }
  head.insert(head.end(), rl_metrics.begin(), rl_metrics.end());
  return EvaluateLogSave(std::move(head), std::move(times), start, tokens);
}

absl::StatusOr<StageEnd> StageLoop::Run() {
  if (context_.log) context_.log->BeginStage(config_.name(), step_, config_.steps());
  if (step_ == 0 && stage_.evaluator) RETURN_IF_ERROR(EvaluateBeforeFirstStep());
  while (step_ < config_.steps()) {
    RETURN_IF_ERROR(TrainOneStep());
    const bool gives_up = nonfinite_in_a_row_ >= config_.optimizer().max_nonfinite_steps();
    const bool stops = AnyRankStops(world_);
    if ((gives_up || stops) && saved_step_ != step_) RETURN_IF_ERROR(Save());
    if (gives_up) {
      return absl::InternalError(
          absl::StrCat("stage ", config_.name(), ", step ", step_, ": found ", nonfinite_in_a_row_,
                       " updates in a row with a non-finite gradient, expected fewer than "
                       "optimizer.max_nonfinite_steps (",
                       config_.optimizer().max_nonfinite_steps(), ")"));
    }
    if (stops && step_ < config_.steps()) return StageEnd::kStopped;
  }
  return StageEnd::kFinished;
}

}  // namespace

absl::StatusOr<Stage> Stage::Create(const RunConfig& config, int index,
                                    std::shared_ptr<const Tokenizer> tokenizer) {
  Stage stage;
  stage.config = &config.stage(index);
  for (int i = 0; i < index; ++i) stage.first_global_step += config.stage(i).steps();
  const std::string where = absl::StrCat("stage[", index, "]");
  const int64_t max_positions = config.model().max_position_embeddings();
  const int64_t max_tokens = std::min(max_positions, stage.config->micro_batch_tokens());
  if (stage.config->has_grpo()) {
    ASSIGN_OR_RETURN(stage.grpo, Grpo::Create(*stage.config, config.seed(), tokenizer, where));
  } else if (stage.config->has_distill()) {
    ASSIGN_OR_RETURN(stage.distill,
                     Distill::Create(*stage.config, config.seed(), tokenizer, max_tokens, where));
  } else {
    ASSIGN_OR_RETURN(stage.supervised, Supervised::Create(*stage.config, config.seed(), tokenizer,
                                                          max_tokens, where));
  }
  if (stage.config->has_evaluate()) {
    ASSIGN_OR_RETURN(stage.evaluator, Evaluator::Create(*stage.config, config.seed(), tokenizer,
                                                        max_positions, where));
  }
  return stage;
}

absl::StatusOr<StageEnd> RunStage(RunContext& context, const Stage& stage,
                                  const StageStart& start) {
  const bool fresh = start.resume_from.empty() && start.weights_from.empty() && !start.from_source;
  StageLoop loop(context, stage, fresh);
  if (absl::Status begun = loop.Begin(start); !begun.ok())
    return WithExitCode(begun, ExitCode::kBadData);
  return loop.Run();
}

void StopOnSigterm() {
  std::signal(SIGTERM, [](int) { stop_requested = 1; });
}

}  // namespace deduce
