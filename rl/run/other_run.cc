#include "rl/run/other_run.h"

#include "absl/strings/str_cat.h"
#include "configs/config.h"
#include "configs/exit_code.h"
#include "configs/status.h"
#include "rl/run/run.h"
#include "trainer/checkpoint/checkpoint_folders.h"
#include "trainer/checkpoint/checkpoint_reader.h"
#include "trainer/checkpoint/content_hash.h"
#include "trainer/checkpoint/manifest.h"

namespace deduce {
namespace {

// A checkpoint holds its tokenizer's file.
absl::StatusOr<bool> HasTokenizer(const std::string& checkpoint, const Tokenizer& tokenizer) {
  ASSIGN_OR_RETURN(const CheckpointReader reader, CheckpointReader::Open(checkpoint));
  const auto& hashes = reader.manifest().file_hashes;
  const auto hash = hashes.find("tokenizer.json");
  return hash == hashes.end() || hash->second == ContentHash(tokenizer.json());
}

}  // namespace

absl::StatusOr<std::string> WeightsOfAnotherRun(const RunConfig& config, int index,
                                                const Tokenizer& tokenizer) {
  const OtherStage other = *StageOfAnotherRun(config.stage(index));
  const auto error = [&](ExitCode code, const std::string& found, const std::string& expected) {
    return WithExitCode(
        absl::InvalidArgumentError(
            absl::StrCat("stage[", index, "].init_from: found ", found, ", expected ", expected)),
        code);
  };
  const absl::StatusOr<Run> run = Run::Open(other.run_dir, Run::Access::kRead);
  if (!run.ok()) {
    return error(ExitCode::kBadData,
                 absl::StrCat("no run in ", other.run_dir, " (", run.status().message(), ")"),
                 "one with stage " + other.stage);
  }
  const int stage = FindStage(run->config(), other.stage);
  if (stage < 0) {
    return error(ExitCode::kBadData, absl::StrCat("no stage ", other.stage, " in ", other.run_dir),
                 "one");
  }
  if (const std::string field = ModelDifference(config.model(), run->config().model());
      !field.empty()) {
    return error(ExitCode::kBadConfig,
                 absl::StrCat("a run in ", other.run_dir, " that differs in model.", field),
                 "one of the same model");
  }
  ASSIGN_OR_RETURN(const std::vector<StageNode> nodes, run->Stages());
  const StageNode& node = nodes[stage];
  if (node.state != StageNode::State::kFinished) {
    return error(ExitCode::kBadData,
                 absl::StrCat("no ", CheckpointDir(other.run_dir, other.stage,
                                                   run->config().stage(stage).steps())),
                 absl::StrCat("stage ", other.stage, " to be finished there"));
  }
  ASSIGN_OR_RETURN(const bool same, HasTokenizer(node.checkpoint, tokenizer));
  if (!same) {
    return error(ExitCode::kBadConfig, absl::StrCat("another tokenizer in ", node.checkpoint),
                 absl::StrCat("that of ", config.tokenizer()));
  }
  return node.checkpoint;
}

}  // namespace deduce
