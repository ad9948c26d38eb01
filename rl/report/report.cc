#include "rl/report/report.h"

#include <filesystem>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "configs/status.h"
#include "rl/report/page.h"
#include "trainer/checkpoint/checked_file.h"

namespace deduce {
namespace {

absl::StatusOr<ReportedRun> ReadRun(const std::string& run_dir) {
  ReportedRun run;
  ASSIGN_OR_RETURN(run.metrics, ReadRunMetrics(run_dir));
  std::vector<std::string> stages;
  for (const StageMetrics& stage : run.metrics.stages) stages.push_back(stage.name);
  ASSIGN_OR_RETURN(run.samples, ReadSamples(run_dir, stages));
  return run;
}

// Runs in folders of the same name (runs/a/seed1, runs/b/seed1) go by the whole path that was
// given.
void TellApart(std::vector<ReportedRun>* runs) {
  std::map<std::string, int> uses;
  for (const ReportedRun& run : *runs) ++uses[run.metrics.name];
  for (ReportedRun& run : *runs) {
    if (uses[run.metrics.name] > 1) run.metrics.name = run.metrics.directory;
  }
}

}  // namespace

absl::StatusOr<std::string> WriteReport(const std::vector<std::string>& run_dirs,
                                        const std::string& out_path) {
  if (run_dirs.empty()) {
    return absl::InvalidArgumentError(
        "report: found no run directory, expected at least one RUN_DIR");
  }
  std::vector<ReportedRun> runs;
  for (const std::string& run_dir : run_dirs) {
    ASSIGN_OR_RETURN(ReportedRun run, ReadRun(run_dir));
    runs.push_back(std::move(run));
  }
  TellApart(&runs);
  const std::string path = out_path.empty()
                               ? (std::filesystem::path(run_dirs.front()) / "report.html").string()
                               : out_path;
  RETURN_IF_ERROR(ReplaceFile(path, RenderPage(runs)));
  return path;
}

}  // namespace deduce
