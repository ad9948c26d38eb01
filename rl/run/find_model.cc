#include "rl/run/find_model.h"

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;

absl::Status NothingThere(const std::string& message) {
  return WithExitCode(absl::NotFoundError(message), ExitCode::kBadData);
}

bool Has(const fs::path& dir, const char* name) {
  std::error_code error;
  return fs::exists(dir / name, error);
}

// A folder that a model, or at least a tokenizer, can be read from.
bool IsModel(const fs::path& dir) {
  return Has(dir, "manifest.json") || Has(dir, "config.json") || Has(dir, "tokenizer.json");
}

// Paths, relative to `dir`, of the models at most three folders below it: a few, in order.
std::vector<std::string> ModelsBelow(const std::string& dir) {
  constexpr int kDepth = 3, kMostEntries = 10'000;
  constexpr size_t kMostModels = 12;
  std::vector<std::string> found;
  std::error_code error;
  int seen = 0;
  for (fs::recursive_directory_iterator entry(dir, error), end; !error && entry != end;
       entry.increment(error)) {
    if (++seen > kMostEntries || found.size() == kMostModels) break;
    std::error_code ignored;
    if (!entry->is_directory(ignored) || entry->is_symlink(ignored)) continue;
    const bool is_model = Has(*entry, "manifest.json") || Has(*entry, "config.json");
    if (is_model) found.push_back(fs::relative(entry->path(), dir, ignored));
    if (is_model || entry.depth() + 1 == kDepth) entry.disable_recursion_pending();
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Reads where the link to the best checkpoint points to; the name itself if it does not.
std::string StepBehind(const std::string& stage_dir, const std::string& name) {
  if (name != kBestCheckpoint) return name;
  std::error_code error;
  const fs::path target = fs::read_symlink(absl::StrCat(stage_dir, "/", name), error);
  return error ? name : target.string();
}

}  // namespace

std::string CheckpointNames(const std::vector<CheckpointEntry>& entries) {
  return absl::StrJoin(entries, ", ", [](std::string* out, const CheckpointEntry& entry) {
    absl::StrAppend(out, entry.stage, "/", entry.step);
  });
}

absl::StatusOr<CheckpointEntry> FindCheckpoint(const std::string& run_dir,
                                               const std::string& name) {
  ASSIGN_OR_RETURN(const std::vector<CheckpointEntry> entries, ListCheckpoints(run_dir));
  const size_t slash = name.find('/');
  const std::string stage = name.substr(0, slash);
  const std::string step =
      slash == std::string::npos
          ? ""
          : StepBehind(CheckpointStageDir(run_dir, stage), name.substr(slash + 1));
  const CheckpointEntry* found = nullptr;  // the last one, if only the stage is named
  for (const CheckpointEntry& entry : entries) {
    if (entry.stage == stage && (slash == std::string::npos || absl::StrCat(entry.step) == step))
      found = &entry;
  }
  if (found != nullptr) return *found;
  return NothingThere(absl::StrCat(
      run_dir, ": found no checkpoint ", name, ", expected ",
      entries.empty() ? "one, but the run has none yet" : "one of " + CheckpointNames(entries)));
}

absl::StatusOr<CheckpointEntry> NewestCheckpoint(const std::string& run_dir) {
  absl::StatusOr<RunConfig> config = LoadConfig(run_dir + "/config.textproto", {});
  if (!config.ok()) return WithExitCode(config.status(), ExitCode::kBadData);
  ASSIGN_OR_RETURN(const std::vector<CheckpointEntry> entries, ListCheckpoints(run_dir));
  const CheckpointEntry* newest = nullptr;
  int newest_stage = -1;
  for (const CheckpointEntry& entry : entries) {
    const int stage = FindStage(*config, entry.stage);
    if (stage < 0 || stage < newest_stage) continue;
    newest = &entry;  // steps rise within a stage
    newest_stage = stage;
  }
  if (newest != nullptr) return *newest;
  return NothingThere(
      absl::StrCat(run_dir, ": found a run without checkpoints, expected at least one"));
}

bool IsRunDirectory(const std::string& dir) {
  return Has(dir, "config.textproto") && !Has(dir, "manifest.json");
}

absl::StatusOr<std::string> FindModel(const std::string& text, std::ostream& log) {
  std::error_code error;
  const size_t mark = text.rfind('#');
  if (mark != std::string::npos && !fs::exists(text, error)) {
    ASSIGN_OR_RETURN(const CheckpointEntry entry,
                     FindCheckpoint(text.substr(0, mark), text.substr(mark + 1)));
    return entry.path;
  }
  if (!fs::is_directory(text, error) || IsModel(text)) return text;
  if (IsRunDirectory(text)) {
    ASSIGN_OR_RETURN(const CheckpointEntry newest, NewestCheckpoint(text));
    ASSIGN_OR_RETURN(const std::vector<CheckpointEntry> entries, ListCheckpoints(text));
    log << text << ": takes its newest checkpoint, " << newest.path << "; it has "
        << CheckpointNames(entries) << std::endl;
    return newest.path;
  }
  const std::vector<std::string> below = ModelsBelow(text);
  if (below.empty()) return text;
  return NothingThere(absl::StrCat(
      text, ": found neither a checkpoint nor a Hugging Face folder, expected one; below it are ",
      absl::StrJoin(below, ", ")));
}

absl::Status FindTeachers(RunConfig& config, std::ostream& log) {
  for (StageConfig& stage : *config.mutable_stage()) {
    if (!stage.distill().has_teacher()) continue;
    ASSIGN_OR_RETURN(*stage.mutable_distill()->mutable_teacher(),
                     FindModel(stage.distill().teacher(), log));
  }
  return absl::OkStatus();
}

}  // namespace deduce
