#include "configs/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "configs/parse_text.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kText[] = R"(
  name: "n"
  tokenizer: "t.json"
  model { vocab_size: 64 hidden_size: 32 }
  stage { name: "base" pretrain { } steps: 10 data { task { name: "chain_sum" } } }
  stage { name: "rl" steps: 5 grpo { reward { verifier: "accuracy" } reward { verifier: "format" weight: 0.5 } } }
)";

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest()
      : path_(::testing::TempDir() + "config_test_" + std::to_string(getpid()) + ".textproto") {
    std::ofstream(path_) << kText;
  }
  ~ConfigTest() override { std::remove(path_.c_str()); }

  RunConfig Load(const std::vector<std::string>& overrides) {
    absl::StatusOr<RunConfig> config = LoadConfig(path_, overrides);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *config : RunConfig();
  }

  const std::string path_;
};

TEST_F(ConfigTest, OverridesReplaceFieldsInOrder) {
  const RunConfig config = Load({"model { hidden_size: 48 } seed: 7", "seed: 9"});
  EXPECT_EQ(config.model().hidden_size(), 48);
  EXPECT_EQ(config.model().vocab_size(), 64);
  EXPECT_EQ(config.seed(), 9u);
}

TEST_F(ConfigTest, OverriddenStageMergesIntoTheOneOfItsName) {
  const RunConfig config =
      Load({"stage { name: \"rl\" steps: 6 optimizer { learning_rate: 0.5 } }"});
  ASSERT_EQ(config.stage_size(), 2);
  EXPECT_EQ(config.stage(0).steps(), 10);
  EXPECT_EQ(config.stage(1).steps(), 6);
  EXPECT_TRUE(config.stage(1).has_grpo());
  EXPECT_EQ(config.stage(1).optimizer().learning_rate(), 0.5);
}

TEST_F(ConfigTest, AListOfEntriesWithoutNamesIsReplaced) {
  const RunConfig config =
      Load({"plan { stage_seconds { forward: 1 } stage_seconds { forward: 2 } }",
            "plan { stage_seconds { forward: 3 } }"});
  ASSERT_EQ(config.plan().stage_seconds_size(), 1);
  EXPECT_EQ(config.plan().stage_seconds(0).forward(), 3);
}

TEST_F(ConfigTest, StageOfANewNameIsAppended) {
  const RunConfig config = Load({"stage { name: \"more\" steps: 5 sft { } }"});
  ASSERT_EQ(config.stage_size(), 3);
  EXPECT_EQ(config.stage(2).name(), "more");
}

TEST_F(ConfigTest, OverriddenRewardMergesIntoTheOneOfItsVerifier) {
  const RunConfig config =
      Load({"stage { name: \"rl\" grpo { reward { verifier: \"format\" weight: 2 } } }"});
  ASSERT_EQ(config.stage(1).grpo().reward_size(), 2);
  EXPECT_EQ(config.stage(1).grpo().reward(1).weight(), 2);
}

// Replacing it would drop the settings of the other without a word.
TEST_F(ConfigTest, AnOverrideCannotReplaceAMemberOfAOneof) {
  const auto error = [&](const std::string& text) {
    return std::string(LoadConfig(path_, {text}).status().message());
  };
  EXPECT_THAT(error("stage { name: \"base\" grpo { beta: 1 } }"),
              HasSubstr("': stage[0].grpo: found it beside pretrain, expected only one of "
                        "pretrain, sft, distill, grpo"));
  EXPECT_THAT(error("stage { name: \"base\" data { path: \"x\" } }"),
              HasSubstr("': stage[0].data.path: found it beside task, expected only one of path, "
                        "task"));
  EXPECT_EQ(Load({"stage { name: \"rl\" grpo { beta: 1 } }"}).stage(1).grpo().reward_size(), 2);
}

TEST_F(ConfigTest, AStagesKindIsTheNameOfItsWork) {
  const RunConfig config = Load({});
  EXPECT_EQ(StageKind(config.stage(0)), "pretrain");
  EXPECT_EQ(StageKind(config.stage(1)), "grpo");
  EXPECT_EQ(StageKind(StageConfig()), "");
}

TEST_F(ConfigTest, ErrorsSayWhichTextIsWrong) {
  EXPECT_THAT(std::string(LoadConfig(path_ + ".none", {}).status().message()),
              StartsWith(path_ + ".none: found no readable text"));
  EXPECT_THAT(std::string(LoadConfig(::testing::TempDir(), {}).status().message()),
              HasSubstr("found no readable text"));
  EXPECT_EQ(LoadConfig(path_, {"seed: 2", "seed:\nx"}).status().message(),
            "--set 'seed: x':2:1: seed: found \"x\", expected an integer of at least 0");
  EXPECT_EQ(LoadConfig(path_, {"stage { steps: 3 }"}).status().message(),
            "--set 'stage { steps: 3 }': stage.name: found nothing, expected what says which entry "
            "to change");
}

TEST_F(ConfigTest, TextShowsEveryDefaultAndReadsBackAsTheSameRun) {
  const RunConfig config = Load({});
  const std::string text = ConfigText(config);
  EXPECT_THAT(text, HasSubstr("rms_norm_eps: 1e-06"));
  EXPECT_THAT(text, HasSubstr("theta: 10000"));
  EXPECT_THAT(text, HasSubstr("micro_batch_tokens: 4096"));
  EXPECT_THAT(text, HasSubstr("expert_parallel: 1"));
  EXPECT_THAT(text, HasSubstr("loss_type: grpo"));
  const auto again = ParseConfigText(text, "text");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ConfigText(*again), text);
}

TEST_F(ConfigTest, WeightsDecayByDefaultButNotInReinforcementLearning) {
  const RunConfig full = WithDefaults(Load({}));
  EXPECT_EQ(full.stage(0).optimizer().weight_decay(), 0.1);
  EXPECT_EQ(full.stage(1).optimizer().weight_decay(), 0);
  const RunConfig set = Load({"stage { name: \"rl\" optimizer { weight_decay: 0.5 } }"});
  EXPECT_EQ(set.stage(1).optimizer().weight_decay(), 0.5);
}

// The presence of these changes what a run does.
TEST_F(ConfigTest, DefaultsDoNotBringAbsentPartsIntoBeing) {
  const RunConfig full = WithDefaults(Load({}));
  EXPECT_FALSE(full.model().has_moe());
  EXPECT_EQ(full.model().rope().scaling_case(), RopeConfig::SCALING_NOT_SET);
  EXPECT_FALSE(full.stage(0).has_grpo());
  EXPECT_FALSE(full.stage(1).has_evaluate());
  EXPECT_FALSE(full.stage(1).grpo().has_epsilon_high());
}

TEST_F(ConfigTest, ModelsDifferInWhatGivesWeightsAnotherMeaning) {
  const ModelConfig model = Load({"model { moe { n_routed_experts: 2 } }"}).model();
  const auto difference = [&](const std::string& text) {
    return ModelDifference(
        model, Load({"model { moe { n_routed_experts: 2 } }", "model { " + text + " }"}).model());
  };
  EXPECT_EQ(difference("hidden_size: 33"), "hidden_size");
  EXPECT_EQ(difference("rope { theta: 5 }"), "rope.theta");
  EXPECT_EQ(difference("rope { yarn { } }"), "rope.yarn");
  EXPECT_EQ(difference("rms_norm_eps: 1e-6"), "");  // the default, spelled out
  EXPECT_EQ(difference("compute: bf16 initializer_range: 1 max_position_embeddings: 9 "
                       "moe { balance_loss_alpha: 1 bias_update_speed: 1 }"),
            "");
}

TEST_F(ConfigTest, AStageOfAnotherRunIsFolderAndName) {
  StageConfig stage;
  EXPECT_FALSE(StageOfAnotherRun(stage).has_value());
  stage.set_init_from("base");
  EXPECT_FALSE(StageOfAnotherRun(stage).has_value());
  stage.set_init_from("runs/a#1#base");
  EXPECT_EQ(StageOfAnotherRun(stage)->run_dir, "runs/a#1");
  EXPECT_EQ(StageOfAnotherRun(stage)->stage, "base");
  EXPECT_EQ(StageOfAnotherRun(stage)->step, "");
  stage.set_init_from("runs/a#base/20");
  EXPECT_EQ(StageOfAnotherRun(stage)->run_dir, "runs/a");
  EXPECT_EQ(StageOfAnotherRun(stage)->stage, "base");
  EXPECT_EQ(StageOfAnotherRun(stage)->step, "20");
}

TEST_F(ConfigTest, APathIsNoStageOfThisRunNorOfAnother) {
  StageConfig stage;
  EXPECT_FALSE(StartsOutside(stage));
  for (const char* path : {"./base", "runs/a/checkpoints/base/3", ".."}) {
    stage.set_init_from(path);
    EXPECT_TRUE(StartsOutside(stage)) << path;
    EXPECT_FALSE(StageOfAnotherRun(stage).has_value()) << path;
  }
  stage.set_init_from("base-1_x");
  EXPECT_FALSE(StartsOutside(stage));
  stage.set_init_from("d#base");
  EXPECT_TRUE(StartsOutside(stage));
}

TEST_F(ConfigTest, AMistypedStageIsNamedAndAWholeOneAppended) {
  const auto loaded = LoadConfig(path_, {"stage { name: \"typo\" steps: 5 }"});
  EXPECT_EQ(loaded.status().message(),
            "--set 'stage { name: \"typo\" steps: 5 }': stage: found \"typo\", but no stage has "
            "this name; stages are base, rl; expected one of them, or steps and a kind of work");
  EXPECT_EQ(StageNames(Load({"stage { name: \"more\" steps: 5 sft { } }"})), "base, rl, more");
}

TEST_F(ConfigTest, StageStartsFromTheOneBeforeUnlessItSaysOtherwise) {
  const RunConfig config =
      Load({"stage { name: \"third\" steps: 1 sft { } init_from: \"base\" } stage { name: "
            "\"fourth\" steps: 1 sft { } init_from: \"none\" }"});
  EXPECT_EQ(InitialStage(config, 0), -1);
  EXPECT_EQ(InitialStage(config, 1), 0);
  EXPECT_EQ(InitialStage(config, 2), 0);
  EXPECT_EQ(InitialStage(config, 3), -1);
  EXPECT_EQ(InitialStage(Load({"stage { name: \"rl\" init_from: \"d#base\" }"}), 1), -1);
}

}  // namespace
}  // namespace deduce
