#include "rl/run/run.h"

#include <ATen/Parallel.h>

#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "parallel/layout.h"
#include "parallel/rank_groups.h"
#include "rl/run/run_log.h"
#include "rl/run/stage_loop.h"
#include "trainer/checkpoint/checkpoint_reader.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/step/rank_model.h"

namespace deduce {
namespace {

absl::StatusOr<std::shared_ptr<const Tokenizer>> LoadTokenizer(const RunConfig& config) {
  ASSIGN_OR_RETURN(Tokenizer tokenizer, Tokenizer::Load(config.tokenizer()));
  if (tokenizer.vocab_size() > config.model().vocab_size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        config.tokenizer(), ": found ", tokenizer.vocab_size(),
        " tokens, expected at most model.vocab_size (", config.model().vocab_size(), ")"));
  }
  if (!tokenizer.special_tokens().eos) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.tokenizer(),
                     ": found no token that ends a text, expected one named in a "
                     "tokenizer_config.json beside it or added as <|end|>"));
  }
  return std::make_shared<const Tokenizer>(std::move(tokenizer));
}

absl::StatusOr<std::vector<Stage>> CreateStages(const RunConfig& config,
                                                const std::shared_ptr<const Tokenizer>& tokenizer) {
  std::vector<Stage> stages;
  for (int i = 0; i < config.stage_size(); ++i) {
    ASSIGN_OR_RETURN(Stage stage, Stage::Create(config, i, tokenizer));
    stages.push_back(std::move(stage));
  }
  return stages;
}

// Bytes of metrics.jsonl that belong to what is kept: those at the newest checkpoint of this run.
absl::StatusOr<int64_t> MetricsOffset(const RunConfig& config,
                                      const std::vector<StageProgress>& progress) {
  for (int i = config.stage_size() - 1; i >= 0; --i) {
    const std::string& checkpoint = progress[i].last_checkpoint;
    if (checkpoint.empty()) continue;
    absl::StatusOr<CheckpointReader> reader = CheckpointReader::Open(checkpoint);
    if (!reader.ok()) return WithExitCode(reader.status(), ExitCode::kBadData);
    return reader->state().value("metrics_offset", int64_t{0});
  }
  return 0;
}

absl::StatusOr<std::unique_ptr<RunLog>> OpenLog(const RunConfig& config,
                                                const std::vector<StageProgress>& progress) {
  ASSIGN_OR_RETURN(const int64_t offset, MetricsOffset(config, progress));
  return RunLog::Open(config.run_dir(), offset);
}

absl::Status RunStages(RunContext& context, const std::vector<Stage>& stages,
                       const std::vector<std::string>& outside,
                       std::vector<StageProgress> progress) {
  const RunConfig& config = context.config;
  for (int i = 0; i < config.stage_size(); ++i) {
    if (progress[i].finished) continue;
    StageStart start{.resume_from = progress[i].last_checkpoint};
    if (start.resume_from.empty()) start.weights_from = outside[i];
    if (const int before = InitialStage(config, i); start.resume_from.empty() && before >= 0) {
      start.weights_from = progress[before].last_checkpoint;
    }
    start.from_source = context.source && start.resume_from.empty() && start.weights_from.empty();
    if (context.log) {
      std::cerr << "stage " << config.stage(i).name() << ": from "
                << (!start.resume_from.empty()    ? start.resume_from
                    : !start.weights_from.empty() ? start.weights_from
                    : start.from_source           ? context.source->dir
                                                  : "fresh weights")
                << std::endl;
    }
    ASSIGN_OR_RETURN(const StageEnd end, RunStage(context, stages[i], start));
    if (end == StageEnd::kStopped) {
      if (context.log)
        std::cerr << "stopped by SIGTERM after a checkpoint; the same command goes on" << std::endl;
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(AgreeOnStatus(*context.ranks.world, absl::OkStatus()));
    ASSIGN_OR_RETURN(progress, FindProgress(config));
  }
  return absl::OkStatus();
}

// For each stage that is still to begin and takes another run's weights, their checkpoint.
absl::StatusOr<std::vector<std::string>> FindOutsideWeights(
    const RunConfig& config, const std::vector<StageProgress>& progress) {
  std::vector<std::string> checkpoints(config.stage_size());
  for (int i = 0; i < config.stage_size(); ++i) {
    if (!progress[i].last_checkpoint.empty() || !StageOfAnotherRun(config.stage(i))) continue;
    ASSIGN_OR_RETURN(checkpoints[i], WeightsOfAnotherRun(config, i));
  }
  return checkpoints;
}

// The folder that the run's model comes from, if it comes from one.
absl::StatusOr<std::optional<HuggingFaceFolder>> OpenSource(const RunConfig& config) {
  if (!config.model().has_hugging_face()) return std::optional<HuggingFaceFolder>();
  return HuggingFaceFolder::Open(config.model().hugging_face());
}

absl::StatusOr<std::map<std::string, std::string>> KeptFiles(
    const std::optional<HuggingFaceFolder>& source) {
  if (!source) return std::map<std::string, std::string>();
  return source->KeptFiles();
}

}  // namespace

absl::Status RunStages(const RunConfig& config, Resume resume, Communicator& world) {
  const absl::StatusOr<Layout> layout = MakeLayout(config.layout(), world.size(), world.rank());
  // A schedule's file may be there for some ranks only.
  RETURN_IF_ERROR(WithExitCode(AgreeOnStatus(world, layout.status()), ExitCode::kBadConfig));
  RETURN_IF_ERROR(WithExitCode(CheckModelLayout(config.model(), *layout), ExitCode::kBadConfig));
  at::set_num_threads(static_cast<int>(config.layout().threads_per_rank()));
  RankGroups ranks = MakeRankGroups(world, *layout);

  const absl::StatusOr<std::shared_ptr<const Tokenizer>> tokenizer = LoadTokenizer(config);
  RETURN_IF_ERROR(WithExitCode(AgreeOnStatus(world, tokenizer.status()), ExitCode::kBadData));
  const absl::StatusOr<std::vector<Stage>> stages = CreateStages(config, *tokenizer);
  RETURN_IF_ERROR(WithExitCode(AgreeOnStatus(world, stages.status()), ExitCode::kBadData));

  const absl::StatusOr<std::optional<HuggingFaceFolder>> source = OpenSource(config);
  RETURN_IF_ERROR(WithExitCode(AgreeOnStatus(world, source.status()), ExitCode::kBadData));
  const absl::StatusOr<std::map<std::string, std::string>> kept_files = KeptFiles(*source);
  RETURN_IF_ERROR(WithExitCode(AgreeOnStatus(world, kept_files.status()), ExitCode::kBadData));

  absl::Status prepared;
  if (world.rank() == 0) prepared = PrepareRunDirectory(config, resume);
  RETURN_IF_ERROR(AgreeOnStatus(world, prepared));
  absl::StatusOr<std::vector<StageProgress>> progress = FindProgress(config);
  RETURN_IF_ERROR(AgreeOnStatus(world, progress.status()));
  const absl::StatusOr<std::vector<std::string>> outside = FindOutsideWeights(config, *progress);
  RETURN_IF_ERROR(AgreeOnStatus(world, outside.status()));
  if (progress->back().finished) {
    if (world.rank() == 0) {
      std::cerr << "nothing to do: all " << config.stage_size() << " stages of " << config.run_dir()
                << " are finished" << std::endl;
    }
    return absl::OkStatus();
  }

  std::unique_ptr<RunLog> log;
  absl::Status opened;
  if (world.rank() == 0) {
    absl::StatusOr<std::unique_ptr<RunLog>> result = OpenLog(config, *progress);
    opened = result.status();
    if (result.ok()) log = *std::move(result);
  }
  RETURN_IF_ERROR(AgreeOnStatus(world, opened));
  StopOnSigterm();
  RunContext context{.config = config,
                     .ranks = ranks,
                     .tokenizer = *tokenizer,
                     .run_dir = config.run_dir(),
                     .log = log.get(),
                     .source = *source ? &**source : nullptr,
                     .kept_files = *kept_files};
  return RunStages(context, *stages, *outside, *std::move(progress));
}

}  // namespace deduce
