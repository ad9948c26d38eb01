#include "rl/run/outside_weights.h"

#include <filesystem>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/parse_text.h"
#include "configs/status.h"
#include "rl/run/find_model.h"
#include "rl/run/run.h"
#include "trainer/checkpoint/checkpoint_reader.h"
#include "trainer/checkpoint/content_hash.h"
#include "trainer/checkpoint/manifest.h"

namespace deduce {
namespace {

// Looks for the weights of one stage; its errors name the field.
class Search {
 public:
  Search(const RunConfig& config, int index, const Tokenizer& tokenizer)
      : config_(config), index_(index), tokenizer_(tokenizer) {}

  absl::StatusOr<OutsideWeights> InRun(const OtherStage& other) const;
  absl::StatusOr<OutsideWeights> InFolder(const std::string& path) const;

 private:
  absl::Status Error(ExitCode code, const std::string& found, const std::string& expected) const {
    return WithExitCode(
        absl::InvalidArgumentError(
            absl::StrCat("stage[", index_, "].init_from: found ", found, ", expected ", expected)),
        code);
  }
  absl::Status CheckModel(const std::string& what, const ModelConfig& model) const {
    const std::string field = ModelDifference(config_.model(), model);
    if (field.empty()) return absl::OkStatus();
    return Error(ExitCode::kBadConfig, absl::StrCat(what, " that differs in model.", field),
                 "one of the same model");
  }
  absl::Status CheckTokenizer(const std::string& where, const std::string& hash) const {
    if (hash == ContentHash(tokenizer_.json())) return absl::OkStatus();
    return Error(ExitCode::kBadConfig, "another tokenizer in " + where,
                 "that of " + config_.tokenizer());
  }
  absl::StatusOr<OutsideWeights> Checkpoint(const std::string& path) const;
  absl::StatusOr<OutsideWeights> Folder(const std::string& path) const;

  const RunConfig& config_;
  int index_;
  const Tokenizer& tokenizer_;
};

// A checkpoint holds the config and the tokenizer it was made with.
absl::StatusOr<OutsideWeights> Search::Checkpoint(const std::string& path) const {
  ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(path));
  const auto& hashes = reader.manifest().file_hashes;
  if (hashes.contains("config.textproto")) {
    ASSIGN_OR_RETURN(const std::string text, reader.ReadExtraFile("config.textproto"));
    ASSIGN_OR_RETURN(const RunConfig config, ParseConfigText(text, path + "/config.textproto"));
    RETURN_IF_ERROR(CheckModel("a checkpoint in " + path, config.model()));
  }
  if (const auto hash = hashes.find("tokenizer.json"); hash != hashes.end()) {
    RETURN_IF_ERROR(CheckTokenizer(path, hash->second));
  }
  return OutsideWeights{.checkpoint = path};
}

absl::StatusOr<OutsideWeights> Search::Folder(const std::string& path) const {
  ASSIGN_OR_RETURN(HuggingFaceFolder folder, HuggingFaceFolder::Open(path));
  RETURN_IF_ERROR(CheckModel("a model in " + path, folder.model));
  const std::string tokenizer = path + "/tokenizer.json";
  if (std::filesystem::exists(tokenizer)) {
    ASSIGN_OR_RETURN(const std::string hash, ContentHashOfFile(tokenizer));
    RETURN_IF_ERROR(CheckTokenizer(path, hash));
  }
  return OutsideWeights{.folder = std::make_shared<const HuggingFaceFolder>(std::move(folder))};
}

absl::StatusOr<OutsideWeights> Search::InRun(const OtherStage& other) const {
  const absl::StatusOr<Run> run = Run::Open(other.run_dir, Run::Access::kRead);
  if (!run.ok()) {
    return Error(ExitCode::kBadData,
                 absl::StrCat("no run in ", other.run_dir, " (", run.status().message(), ")"),
                 "one with stage " + other.stage);
  }
  const int stage = FindStage(run->config(), other.stage);
  if (stage < 0) {
    return Error(ExitCode::kBadData, absl::StrCat("no stage ", other.stage, " in ", other.run_dir),
                 "one of " + StageNames(run->config()));
  }
  RETURN_IF_ERROR(CheckModel("a run in " + other.run_dir, run->config().model()));
  if (!other.step.empty()) {
    ASSIGN_OR_RETURN(const CheckpointEntry entry,
                     FindCheckpoint(other.run_dir, absl::StrCat(other.stage, "/", other.step)));
    return Checkpoint(entry.path);
  }
  ASSIGN_OR_RETURN(const std::vector<StageNode> nodes, run->Stages());
  if (nodes[stage].state == StageNode::State::kFinished) return Checkpoint(nodes[stage].checkpoint);
  ASSIGN_OR_RETURN(const std::vector<CheckpointEntry> entries, ListCheckpoints(other.run_dir));
  return Error(ExitCode::kBadData,
               absl::StrCat("no ", CheckpointDir(other.run_dir, other.stage,
                                                 run->config().stage(stage).steps())),
               absl::StrCat("stage ", other.stage, " to be finished there",
                            entries.empty() ? ""
                                            : absl::StrCat(", or ", other.run_dir, "#NAME of ",
                                                           CheckpointNames(entries))));
}

absl::StatusOr<OutsideWeights> Search::InFolder(const std::string& path) const {
  if (IsHuggingFaceFolder(path)) return Folder(path);
  if (!IsRunDirectory(path)) return Checkpoint(path);
  ASSIGN_OR_RETURN(const Run run, Run::Open(path, Run::Access::kRead));
  const int last = run.config().stage_size() - 1;
  return InRun({.run_dir = path, .stage = last < 0 ? "" : run.config().stage(last).name()});
}

}  // namespace

absl::StatusOr<OutsideWeights> FindOutsideWeights(const RunConfig& config, int index,
                                                  const Tokenizer& tokenizer) {
  const Search search(config, index, tokenizer);
  const StageConfig& stage = config.stage(index);
  const std::optional<OtherStage> other = StageOfAnotherRun(stage);
  absl::StatusOr<OutsideWeights> found =
      other ? search.InRun(*other) : search.InFolder(stage.init_from());
  if (!found.ok()) return WithExitCode(found.status(), ExitCode::kBadData);
  return found;
}

absl::StatusOr<std::string> HashOfFolder(const HuggingFaceFolder& folder) {
  std::set<std::string> paths;
  for (const auto& [name, tensor] : folder.weights.tensors()) paths.insert(tensor.path);
  std::string hashes;
  for (const std::string& path : paths) {
    ASSIGN_OR_RETURN(const std::string hash, ContentHashOfFile(path));
    absl::StrAppend(&hashes, hash, "\n");
  }
  return ContentHash(hashes);
}

}  // namespace deduce
