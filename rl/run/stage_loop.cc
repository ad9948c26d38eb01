#include "rl/run/stage_loop.h"

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "rl/run/best_checkpoint.h"
#include "rl/run/stop_request.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/checkpoint/checkpoint.h"
#include "trainer/checkpoint/checkpoint_folders.h"
#include "trainer/metrics/clock.h"

namespace deduce {
namespace {

// A stage under way: the counters that a checkpoint holds beside the work's own state.
class StageLoop {
 public:
  StageLoop(RunContext& context, int index, StageWork& work, const StageStart& start)
      : context_(context),
        config_(context.config.stage(index)),
        world_(*context.ranks.world),
        work_(work),
        inputs_(start.inputs),
        best_(context.config.checkpoint()) {
    for (int i = 0; i < index; ++i) first_global_step_ += context.config.stage(i).steps();
    if (start.weights) num_tokens_ = start.weights->state().value("num_tokens", int64_t{0});
    if (!start.resumed) return;
    const nlohmann::json& saved = start.resumed->state();
    step_ = saved_step_ = saved.value("step", int64_t{0});
    num_tokens_ = saved.value("num_tokens", int64_t{0});
    nonfinite_in_a_row_ = saved.value("nonfinite_in_a_row", int64_t{0});
    best_ = BestCheckpoint::Of(saved, context.config.checkpoint());
  }

  absl::StatusOr<StageEnd> Run();

 private:
  absl::Status EvaluateBeforeFirstStep();
  absl::Status OneStep();
  absl::Status EvaluateLogSave(MetricsRecord record, const StepReport& report, double start);
  absl::Status Log(const MetricsRecord& record);
  absl::Status Save();
  absl::StatusOr<nlohmann::ordered_json> StateToSave(const std::string& weights_hash);
  absl::Status KeepAndRemove() const;
  absl::Status SaveTrace();
  bool AnyRankStops();
  bool Due(int64_t interval) const { return interval > 0 && step_ % interval == 0; }
  bool SavesNow() const {
    return step_ == config_.steps() || Due(context_.config.checkpoint().every_steps());
  }
  bool only_model() const { return context_.config.checkpoint().save_only_model(); }
  MetricsRecord RecordHead() const;

  RunContext& context_;
  const StageConfig& config_;
  Communicator& world_;
  StageWork& work_;
  nlohmann::json inputs_;
  BestCheckpoint best_;
  bool said_missing_ = false;

  int64_t first_global_step_ = 0;  // steps of all stages before this one
  int64_t step_ = 0;               // done
  int64_t saved_step_ = -1;
  int64_t num_tokens_ = 0;  // of the run
  int64_t nonfinite_in_a_row_ = 0;
  double checkpoint_seconds_ = 0;  // of the last save, told in the next line
};

// Collective. True on all ranks once any has been asked to stop.
bool StageLoop::AnyRankStops() {
  for (const std::string& flag : world_.AllGatherBytes(context_.stop_requested() ? "1" : "0")) {
    if (flag == "1") return true;
  }
  return false;
}

MetricsRecord StageLoop::RecordHead() const {
  return {{"stage", config_.name()},
          {"stage_kind", StageKind(config_)},
          {"step", step_},
          {"global_step", first_global_step_ + step_},
          {"num_tokens", num_tokens_}};
}

// Collective. Rank 0 writes; all ranks learn whether it could.
absl::Status StageLoop::Log(const MetricsRecord& record) {
  return AgreeOnStatus(world_, context_.log ? context_.log->Write(record) : absl::OkStatus());
}

// Collective. Everything that was logged is on the disk before the checkpoint that counts it.
absl::StatusOr<nlohmann::ordered_json> StageLoop::StateToSave(const std::string& weights_hash) {
  absl::StatusOr<int64_t> offset = 0;
  if (context_.log) offset = context_.log->SyncedOffset();
  RETURN_IF_ERROR(AgreeOnStatus(world_, offset.status()));
  nlohmann::ordered_json state = {{"stage", config_.name()},
                                  {"stage_kind", StageKind(config_)},
                                  {"step", step_},
                                  {"global_step", first_global_step_ + step_},
                                  {"num_tokens", num_tokens_},
                                  {"weights_hash", weights_hash},
                                  {"nonfinite_in_a_row", nonfinite_in_a_row_},
                                  {"metrics_offset", *offset},
                                  {"threads_per_rank", context_.config.layout().threads_per_rank()},
                                  {"inputs", inputs_}};
  if (only_model()) state["only_model"] = true;
  if (best_.step()) state["best"] = best_.ToJson();
  state.update(work_.State());
  return state;
}

absl::Status StageLoop::Save() {
  const ActionScope action(world_, "checkpoint");
  const double start = SecondsNow();
  ASSIGN_OR_RETURN(const std::string hash, work_.WeightsHash());
  ASSIGN_OR_RETURN(const nlohmann::ordered_json state, StateToSave(hash));
  RETURN_IF_ERROR(SaveCheckpoint(world_, CheckpointDir(context_.run_dir, config_.name(), step_),
                                 work_.Slices(only_model()), state.dump(), context_.files));
  saved_step_ = step_;
  const absl::Status removed = world_.rank() == 0 ? KeepAndRemove() : absl::OkStatus();
  checkpoint_seconds_ = SecondsNow() - start;
  return AgreeOnStatus(world_, removed);
}

// Removes, for one rank, the stage's checkpoints that the config does not want to keep.
absl::Status StageLoop::KeepAndRemove() const {
  const std::string folder = CheckpointStageDir(context_.run_dir, config_.name());
  std::set<int64_t> kept = {config_.steps()};
  if (best_.step()) kept.insert(*best_.step());
  RETURN_IF_ERROR(LinkBestCheckpoint(folder, best_.step()));
  return RemoveOldCheckpoints(folder, context_.config.checkpoint().keep_last(), kept);
}

// Collective. Rank 0 writes what all ranks did in this step, if it is due.
absl::Status StageLoop::SaveTrace() {
  if (context_.recorder == nullptr) return absl::OkStatus();
  const std::string name = absl::StrCat("measured: ", config_.name(), " step ", step_);
  const Layout& layout = context_.ranks.layout;
  const std::string trace = context_.recorder->TakeTrace(
      {layout.replica(), layout.part(), layout.num_parts(), layout.pipeline_rank}, world_, name);
  if (!Due(context_.config.layout().trace_every_steps())) return absl::OkStatus();
  absl::Status written;
  if (world_.rank() == 0) {
    const std::string folder = absl::StrCat(context_.run_dir, "/traces/", config_.name());
    std::error_code ignored;  // writing reports what is wrong
    std::filesystem::create_directories(folder, ignored);
    written = ReplaceFile(absl::StrCat(folder, "/", step_, ".json"), trace);
  }
  return AgreeOnStatus(world_, written);
}

absl::Status StageLoop::EvaluateBeforeFirstStep() {
  const ActionScope action(world_, absl::StrCat(config_.name(), " step 0"));
  MetricsRecord record = RecordHead();
  RETURN_IF_ERROR(work_.Evaluate(record));
  return Log(record);
}

// The end of a step's line, evaluation, hash and speed; then the checkpoint, if it is due.
absl::Status StageLoop::EvaluateLogSave(MetricsRecord record, const StepReport& report,
                                        double start) {
  const double seconds = SecondsNow() - start;
  if (config_.has_evaluate() &&
      (step_ == config_.steps() || Due(config_.evaluate().every_steps()))) {
    RETURN_IF_ERROR(work_.Evaluate(record));
  }
  if (SavesNow() || context_.config.checkpoint().weights_hash_every_step()) {
    ASSIGN_OR_RETURN(const std::string hash, work_.WeightsHash());
    record.emplace_back("weights_hash", hash);
  }
  record.emplace_back("step_time", seconds);
  record.emplace_back("perf/throughput", static_cast<double>(report.num_tokens) / seconds);
  record.insert(record.end(), report.times.begin(), report.times.end());
  record.emplace_back("timing_s/checkpoint", std::exchange(checkpoint_seconds_, 0.0));
  RETURN_IF_ERROR(Log(record));
  if (!SavesNow()) return absl::OkStatus();
  if (context_.log && best_.IsMissingFrom(record) && !std::exchange(said_missing_, true)) {
    std::cerr << "deduce: warning: checkpoint.best_metric: found no "
              << context_.config.checkpoint().best_metric() << " in step " << step_ << " of stage "
              << config_.name() << ", which is not taken for the best one" << std::endl;
  }
  best_.Consider(step_, record);
  return Save();
}

absl::Status StageLoop::OneStep() {
  const ActionScope action(world_, absl::StrCat(config_.name(), " step ", step_ + 1));
  SetStepUnderWay(step_ + 1);
  const double start = SecondsNow();
  ASSIGN_OR_RETURN(const StepReport report, work_.Step(step_));
  ++step_;
  RETURN_IF_ERROR(SaveTrace());
  num_tokens_ += report.num_tokens;
  nonfinite_in_a_row_ = report.finite ? 0 : nonfinite_in_a_row_ + 1;
  MetricsRecord record = RecordHead();
  record.insert(record.end(), report.metrics.begin(), report.metrics.end());
  return EvaluateLogSave(std::move(record), report, start);
}

absl::StatusOr<StageEnd> StageLoop::Run() {
  if (context_.log) context_.log->BeginStage(config_.name(), step_, config_.steps());
  if (step_ == 0 && config_.has_evaluate()) RETURN_IF_ERROR(EvaluateBeforeFirstStep());
  while (step_ < config_.steps()) {
    RETURN_IF_ERROR(OneStep());
    const bool gives_up = nonfinite_in_a_row_ >= config_.optimizer().max_nonfinite_steps();
    const bool stops = AnyRankStops();
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

absl::StatusOr<StageEnd> RunStage(RunContext& context, int index, StageWork& work,
                                  const StageStart& start) {
  const absl::Status prepared = work.Prepare(context, start);
  if (!prepared.ok()) return WithExitCode(prepared, ExitCode::kBadData);
  return StageLoop(context, index, work, start).Run();
}

}  // namespace deduce
