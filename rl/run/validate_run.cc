#include "rl/run/validate_run.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "configs/status.h"
#include "configs/validate.h"
#include "data/tasks/registry.h"
#include "rl/reward/registry.h"
#include "rl/reward/rewards.h"

namespace deduce {
namespace {

// Tasks and verifiers are known here, not in configs/.
absl::Status CheckNames(const StageConfig& stage, uint64_t seed, const std::string& path) {
  if (stage.data().has_task()) {
    RETURN_IF_ERROR(MakeTask(stage.data().task(), seed, path + ".data.task").status());
  }
  if (stage.evaluate().has_task()) {
    RETURN_IF_ERROR(MakeTask(stage.evaluate().task(), seed, path + ".evaluate.task").status());
  }
  const std::vector<std::string> known = AnswerVerifiers();
  const std::string& verifier = stage.data().verifier();
  if (stage.data().has_verifier() &&
      std::find(known.begin(), known.end(), verifier) == known.end()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ".data.verifier: found \"", verifier,
                                                   "\", expected one of ",
                                                   absl::StrJoin(known, ", ")));
  }
  if (!stage.has_grpo()) return absl::OkStatus();
  return RewardSet::Create(stage.grpo().reward(), path + ".grpo.reward").status();
}

}  // namespace

absl::Status ValidateRun(const RunConfig& config) {
  RETURN_IF_ERROR(Validate(config));
  for (int i = 0; i < config.stage_size(); ++i) {
    RETURN_IF_ERROR(CheckNames(config.stage(i), config.seed(), absl::StrCat("stage[", i, "]")));
  }
  return absl::OkStatus();
}

}  // namespace deduce
