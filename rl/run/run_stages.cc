#include "rl/run/run_stages.h"

#include <ATen/Parallel.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "data/text/tokenizer/end_tokens.h"
#include "parallel/layout.h"
#include "parallel/rank_groups.h"
#include "rl/run/describe_run.h"
#include "rl/run/find_model.h"
#include "rl/run/make_stage_work.h"
#include "rl/run/outside_weights.h"
#include "rl/run/run_log.h"
#include "rl/run/stage_loop.h"
#include "rl/run/stop_request.h"
#include "trainer/checkpoint/checked_file.h"
#include "trainer/hugging_face/complete_model.h"
#include "trainer/hugging_face/folder.h"
#include "trainer/step/rank_model.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;

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

// Read before any work, the same on every rank.
struct Recipe {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::vector<std::unique_ptr<StageWork>> works;  // one a stage
  std::optional<HuggingFaceFolder> source;        // of model.hugging_face
  std::map<std::string, std::string> files;       // for every checkpoint
  std::vector<StageNode> nodes;                   // where the stages stand
  std::vector<OutsideWeights> outside;            // that stages start from; empty
};

absl::StatusOr<std::map<std::string, std::string>> FilesOfCheckpoints(const RunConfig& config,
                                                                      const Recipe& recipe) {
  std::map<std::string, std::string> files;
  if (recipe.source) {
    ASSIGN_OR_RETURN(files, recipe.source->KeptFiles());
  }
  const Tokenizer& tokenizer = *recipe.tokenizer;
  files["config.textproto"] = ConfigText(config);
  files["tokenizer.json"] = tokenizer.json();
  if (!tokenizer.config_json().empty()) files["tokenizer_config.json"] = tokenizer.config_json();
  if (const auto& chat = tokenizer.chat_template(); chat.ok()) {
    files["chat_template.jinja"] = chat->text();
  }
  // A model's folder has them in its files already, unless the tokenizer is from elsewhere.
  std::error_code ignored;
  const bool from_source =
      recipe.source &&
      fs::equivalent(fs::path(config.tokenizer()).parent_path(), recipe.source->dir, ignored);
  if (!tokenizer.eos_token_ids().empty() && !from_source) {
    std::string& generation = files["generation_config.json"];
    ASSIGN_OR_RETURN(generation, WithEosTokenIds(generation, tokenizer.eos_token_ids()));
  }
  return files;
}

absl::StatusOr<Recipe> ReadRecipe(const RunConfig& config,
                                  const std::optional<CheckpointEntry>& point) {
  Recipe recipe;
  ASSIGN_OR_RETURN(recipe.tokenizer, LoadTokenizer(config));
  for (int i = 0; i < config.stage_size(); ++i) {
    ASSIGN_OR_RETURN(recipe.works.emplace_back(), MakeStageWork({config, i, recipe.tokenizer}));
  }
  if (config.model().has_hugging_face()) {
    ASSIGN_OR_RETURN(recipe.source, HuggingFaceFolder::Open(config.model().hugging_face(),
                                                            LongestUse(config.model())));
  }
  ASSIGN_OR_RETURN(recipe.files, FilesOfCheckpoints(config, recipe));
  ASSIGN_OR_RETURN(recipe.nodes, ReadStageGraph(config, config.run_dir(), point));
  recipe.outside.resize(config.stage_size());
  for (int i = 0; i < config.stage_size(); ++i) {
    if (recipe.nodes[i].state != StageNode::State::kWaiting) continue;
    if (!StartsOutside(config.stage(i))) continue;
    ASSIGN_OR_RETURN(recipe.outside[i], FindOutsideWeights(config, i, *recipe.tokenizer));
  }
  return recipe;
}

// Rank 0's: the run, locked, and its logs.
struct Writer {
  Run run;
  std::vector<std::vector<Artifact>> inputs;  // of each stage
  std::map<std::string, std::string> files;   // for every checkpoint, beside the recipe's
  std::unique_ptr<RunLog> log;                // null if nothing is left to do
};

absl::StatusOr<Writer> OpenToWrite(const RunConfig& config, Resume resume,
                                   const std::optional<CheckpointEntry>& point,
                                   const Recipe& recipe) {
  ASSIGN_OR_RETURN(Run run, Run::Open(config.run_dir(), Run::Access::kWrite, resume));
  Writer writer{.run = std::move(run)};
  for (int i = 0; i < config.stage_size(); ++i) {
    absl::StatusOr<std::vector<Artifact>> inputs = ReadStageInputs(config, i, *recipe.tokenizer);
    if (!inputs.ok()) return WithExitCode(inputs.status(), ExitCode::kBadData);
    writer.inputs.push_back(*std::move(inputs));
  }
  RETURN_IF_ERROR(writer.run.GoOn(config, writer.inputs, point));
  if (std::filesystem::exists(ChangesPath(config.run_dir()))) {
    ASSIGN_OR_RETURN(writer.files["changes.jsonl"], ReadFile(ChangesPath(config.run_dir())));
  }
  ASSIGN_OR_RETURN(const std::vector<StageNode> nodes, writer.run.Stages());
  for (const StageNode& node : nodes) {
    if (!node.needs_work() || writer.log) continue;
    ASSIGN_OR_RETURN(writer.log, RunLog::Open(config.run_dir(), MetricsOffset(nodes)));
  }
  return writer;
}

absl::StatusOr<CheckpointReader> OpenCheckpoint(const std::string& dir) {
  absl::StatusOr<CheckpointReader> reader = CheckpointReader::Open(dir);
  return reader.ok() ? std::move(reader) : WithExitCode(reader.status(), ExitCode::kBadData);
}

// Opens the checkpoints that stage `index` starts from.
absl::StatusOr<StageStart> FindStart(const RunConfig& config, const Recipe& recipe, int index) {
  StageStart start;
  const StageNode& node = recipe.nodes[index];
  if (!node.checkpoint.empty()) {
    ASSIGN_OR_RETURN(start.resumed, OpenCheckpoint(node.checkpoint));
    return start;
  }
  const int before = InitialStage(config, index);
  const std::string& weights =
      before >= 0 ? recipe.nodes[before].checkpoint : recipe.outside[index].checkpoint;
  if (!weights.empty()) {
    ASSIGN_OR_RETURN(start.weights, OpenCheckpoint(weights));
  } else if (recipe.outside[index].folder) {
    start.source = recipe.outside[index].folder.get();
  } else if (recipe.source) {
    start.source = &*recipe.source;
  }
  return start;
}

absl::StatusOr<Artifact> WeightsInput(const RunConfig& config, int index, const StageStart& start) {
  if (start.weights) {
    const int before = InitialStage(config, index);
    return Artifact{ArtifactType::kWeights,
                    before >= 0 ? config.stage(before).name() : config.stage(index).init_from(),
                    start.weights->state().value("weights_hash", "")};
  }
  if (start.source != nullptr) {
    ASSIGN_OR_RETURN(std::string hash, HashOfFolder(*start.source));
    return Artifact{ArtifactType::kWeights, start.source->dir, std::move(hash)};
  }
  return Artifact{ArtifactType::kWeights, absl::StrCat("seed ", config.seed()), ""};
}

// Everything that the stage is made from, for its checkpoints; of ranks that do not write, nothing.
absl::StatusOr<nlohmann::json> InputsOf(const RunConfig& config, int index, const StageStart& start,
                                        const Writer* writer) {
  if (writer == nullptr) return nlohmann::json();
  if (start.resumed) return WithEvaluationOf(writer->inputs[index], start.resumed->state());
  std::vector<Artifact> inputs = writer->inputs[index];
  ASSIGN_OR_RETURN(inputs.emplace_back(), WeightsInput(config, index, start));
  return ToJson(inputs);
}

std::string Beginning(const StageStart& start) {
  return start.resumed             ? start.resumed->dir()
         : start.weights           ? start.weights->dir()
         : start.source != nullptr ? start.source->dir
                                   : "fresh weights";
}

std::string LastCheckpoint(const std::vector<StageNode>& nodes) {
  std::string last;
  for (const StageNode& node : nodes) {
    if (!node.checkpoint.empty()) last = node.checkpoint;
  }
  return last;
}

// Collective. Runs the stages that need work. `writer`: rank 0's, null elsewhere.
absl::Status RunWhatIsLeft(RunContext& context, Recipe& recipe, const Writer* writer) {
  const RunConfig& config = context.config;
  Communicator& world = *context.ranks.world;
  for (int i = 0; i < config.stage_size(); ++i) {
    if (!recipe.nodes[i].needs_work()) continue;
    absl::StatusOr<StageStart> start = FindStart(config, recipe, i);
    RETURN_IF_ERROR(AgreeOnStatus(world, start.status()));
    absl::StatusOr<nlohmann::json> inputs = InputsOf(config, i, *start, writer);
    RETURN_IF_ERROR(AgreeOnStatus(world, inputs.status()));
    start->inputs = *std::move(inputs);
    if (context.log) {
      std::cerr << "stage " << config.stage(i).name() << ": from " << Beginning(*start)
                << std::endl;
    }
    ASSIGN_OR_RETURN(const StageEnd end, RunStage(context, i, *recipe.works[i], *start));
    if (end == StageEnd::kStopped) {
      if (context.log) {
        std::cerr << "stopped by "
                  << (StopSignal() != 0 ? SignalName(StopSignal()) : "a signal to another rank")
                  << " after a checkpoint; the same command goes on" << std::endl;
      }
      return absl::OkStatus();
    }
    recipe.works[i].reset();  // its weights make room for the next one's
    absl::StatusOr<std::vector<StageNode>> nodes = ReadStageGraph(config, config.run_dir());
    RETURN_IF_ERROR(AgreeOnStatus(world, nodes.status()));
    recipe.nodes = *std::move(nodes);
  }
  if (context.log) {
    std::cerr << "finished: all stages of " << config.run_dir() << "\n"
              << EndText(config, LastCheckpoint(recipe.nodes)) << std::flush;
  }
  return absl::OkStatus();
}

bool AnythingLeft(const std::vector<StageNode>& nodes) {
  for (const StageNode& node : nodes) {
    if (node.needs_work()) return true;
  }
  return false;
}

// Names the stages whose checkpoints were removed when others had gone on from them.
void SayWhatIsGone(const RunConfig& config, const std::vector<StageNode>& nodes) {
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].state != StageNode::State::kGone) continue;
    std::cerr << "stage " << config.stage(static_cast<int>(i)).name()
              << ": its last checkpoint is gone; later stages go on without it" << std::endl;
  }
}

// The checkpoint that resume_from names.
absl::StatusOr<std::optional<CheckpointEntry>> PointToGoOnFrom(const RunConfig& config,
                                                               const RunOptions& options) {
  if (options.resume_from.empty()) return std::optional<CheckpointEntry>();
  const auto error = [](const std::string& message) {
    return WithExitCode(absl::InvalidArgumentError("--resume_from: " + message),
                        ExitCode::kBadConfig);
  };
  const absl::StatusOr<CheckpointEntry> point =
      FindCheckpoint(config.run_dir(), options.resume_from);
  if (!point.ok()) return error(std::string(point.status().message()));
  if (FindStage(config, point->stage) >= 0) return *point;
  return error(
      absl::StrCat("found stage ", point->stage, ", expected one of ", StageNames(config)));
}

}  // namespace

absl::Status RunStages(const RunConfig& config, const RunOptions& options, Communicator& world) {
  const absl::StatusOr<Layout> layout = MakeLayout(config.layout(), world.size(), world.rank());
  // A schedule's file may be there for some ranks only.
  RETURN_IF_ERROR(WithExitCode(AgreeOnStatus(world, layout.status()), ExitCode::kBadConfig));
  RETURN_IF_ERROR(WithExitCode(CheckModelLayout(config.model(), *layout), ExitCode::kBadConfig));
  at::set_num_threads(static_cast<int>(config.layout().threads_per_rank()));
  RankGroups ranks = MakeRankGroups(world, *layout);

  const auto point = PointToGoOnFrom(config, options);
  RETURN_IF_ERROR(AgreeOnStatus(world, point.status()));
  absl::StatusOr<Recipe> recipe = ReadRecipe(config, *point);
  RETURN_IF_ERROR(WithExitCode(AgreeOnStatus(world, recipe.status()), ExitCode::kBadData));
  std::optional<Writer> writer;
  absl::Status opened;
  if (world.rank() == 0) {
    absl::StatusOr<Writer> result = OpenToWrite(config, options.resume, *point, *recipe);
    opened = result.status();
    if (result.ok()) writer.emplace(*std::move(result));
  }
  RETURN_IF_ERROR(AgreeOnStatus(world, opened));
  // Under the lock: until then another process may have gone on.
  absl::StatusOr<std::vector<StageNode>> nodes = ReadStageGraph(config, config.run_dir());
  RETURN_IF_ERROR(AgreeOnStatus(world, nodes.status()));
  recipe->nodes = *std::move(nodes);
  if (writer) SayWhatIsGone(config, recipe->nodes);
  if (!AnythingLeft(recipe->nodes)) {
    if (writer) {
      std::cerr << "nothing to do: all " << config.stage_size() << " stages of " << config.run_dir()
                << " are finished\n"
                << EndText(config, LastCheckpoint(recipe->nodes)) << std::flush;
    }
    return absl::OkStatus();
  }
  if (writer) recipe->files.insert(writer->files.begin(), writer->files.end());
  CatchStopSignals(/*quiet=*/world.rank() > 0);
  ActionRecorder recorder;
  RunContext context{.config = config,
                     .ranks = ranks,
                     .run_dir = config.run_dir(),
                     .log = writer ? writer->log.get() : nullptr,
                     .recorder = config.layout().trace_every_steps() > 0 ? &recorder : nullptr,
                     .files = std::move(recipe->files),
                     .stop_requested = [] { return StopSignal() != 0; }};
  return RunWhatIsLeft(context, *recipe, writer ? &*writer : nullptr);
}

}  // namespace deduce
