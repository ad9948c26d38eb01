#include "rl/run/make_stage_work.h"

#include <c10/util/Exception.h>

#include <map>

namespace deduce {

// A kind's file is named after it and needs no header: its class is its own, and this is its door.
absl::StatusOr<std::unique_ptr<StageWork>> MakeSupervisedWork(const StageSetup& setup);
absl::StatusOr<std::unique_ptr<StageWork>> MakeDistillWork(const StageSetup& setup);
absl::StatusOr<std::unique_ptr<StageWork>> MakeGrpoWork(const StageSetup& setup);

namespace {

using Maker = absl::StatusOr<std::unique_ptr<StageWork>> (*)(const StageSetup& setup);

const std::map<StageConfig::WorkCase, Maker>& Kinds() {
  static const auto* kinds = new std::map<StageConfig::WorkCase, Maker>{
      {StageConfig::kPretrain, MakeSupervisedWork},
      {StageConfig::kSft, MakeSupervisedWork},
      {StageConfig::kDistill, MakeDistillWork},
      {StageConfig::kGrpo, MakeGrpoWork},
  };
  return *kinds;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StageWork>> MakeStageWork(const StageSetup& setup) {
  const auto kind = Kinds().find(setup.stage().work_case());
  TORCH_CHECK(kind != Kinds().end(), setup.where(), ": no work of case ",
              static_cast<int>(setup.stage().work_case()));
  return kind->second(setup);
}

}  // namespace deduce
