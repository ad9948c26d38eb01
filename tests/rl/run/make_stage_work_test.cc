#include "rl/run/make_stage_work.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "configs/config.h"
#include "tests/rl/tiny_rollouts.h"

namespace deduce {
namespace {

// A kind that the schema has and the table lacks would end a run with an exception.
TEST(MakeStageWorkTest, EveryKindOfTheSchemaIsInTheTable) {
  const auto* work = StageConfig::descriptor()->FindOneofByName("work");
  for (int i = 0; i < work->field_count(); ++i) {
    const std::string kind = work->field(i)->name();
    RunConfig config;
    *config.mutable_model() = TinyTrainingModel();
    StageConfig& stage = *config.add_stage();
    stage = TinyGrpoStage();
    if (kind != "grpo") stage.GetReflection()->MutableMessage(&stage, work->field(i));
    ASSERT_EQ(StageKind(stage), kind);
    const auto made = MakeStageWork({config, 0, TinyTokenizer()});
    // The teacher is missing, which is the kind's own error.
    EXPECT_EQ(made.ok(), kind != "distill") << kind << ": " << made.status();
  }
}

}  // namespace
}  // namespace deduce
