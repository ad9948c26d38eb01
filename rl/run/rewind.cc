#include "rl/run/rewind.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/status.h"
#include "rl/run/stage_graph.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::string> MakeFolder(const std::string& run_dir) {
  std::error_code error;
  int number = 1;
  while (fs::exists(absl::StrCat(run_dir, "/rewound/", number), error)) ++number;
  const std::string folder = absl::StrCat(run_dir, "/rewound/", number);
  fs::create_directories(folder, error);
  if (error) return FileError(error.value(), folder, "a folder that can be made");
  return folder;
}

absl::Status Move(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_directories(fs::path(to).parent_path(), error);
  if (!error) fs::rename(from, to, error);
  if (error) return FileError(error.value(), from, "to be moved to " + to);
  return absl::OkStatus();
}

// The files below RUN_DIR/ROOM/STAGE that are named after a later step: 12.jsonl.
absl::Status MoveFiles(const RunConfig& config, const std::string& run_dir, const std::string& room,
                       const CheckpointEntry& point, const std::string& aside) {
  for (const StageConfig& stage : config.stage()) {
    const std::string folder = absl::StrCat("/", room, "/", stage.name());
    std::vector<std::string> names;
    std::error_code error;  // there may be no such folder
    for (fs::directory_iterator entry(run_dir + folder, error), end; !error && entry != end;
         entry.increment(error)) {
      int64_t step = 0;
      if (absl::SimpleAtoi(entry->path().stem().string(), &step) &&
          IsAfter(config, {.stage = stage.name(), .step = step, .path = ""}, point)) {
        names.push_back(entry->path().filename());
      }
    }
    for (const std::string& name : names) {
      const std::string path = absl::StrCat(folder, "/", name);
      RETURN_IF_ERROR(Move(run_dir + path, aside + path));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> MoveAside(const RunConfig& config, const std::string& run_dir,
                                      const CheckpointEntry& point) {
  ASSIGN_OR_RETURN(std::vector<CheckpointEntry> entries, ListCheckpoints(run_dir));
  std::erase_if(entries, [&](const CheckpointEntry& entry) {
    return FindStage(config, entry.stage) < 0 || !IsAfter(config, entry, point);
  });
  if (entries.empty()) return std::string();
  ASSIGN_OR_RETURN(const std::string aside, MakeFolder(run_dir));
  for (const char* name : {"config.textproto", "metrics.jsonl", "changes.jsonl"}) {
    const std::string path = absl::StrCat(run_dir, "/", name);
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    RETURN_IF_ERROR(WriteFile(absl::StrCat(aside, "/", name), text));
  }
  // The newest first: whatever is left, is a history without gaps.
  std::sort(entries.begin(), entries.end(),
            [&](const auto& a, const auto& b) { return IsAfter(config, a, b); });
  for (const CheckpointEntry& entry : entries) {
    RETURN_IF_ERROR(Move(entry.path, CheckpointDir(aside, entry.stage, entry.step)));
  }
  for (const char* room : {"rollouts", "traces"}) {
    RETURN_IF_ERROR(MoveFiles(config, run_dir, room, point, aside));
  }
  return aside;
}

}  // namespace deduce
