#include "rl/run/describe_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "tests/rl/run/tiny_run.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(DescribeRunTest, TheStartIsShortAndSaysWhatIsNotTheDefault) {
  RunConfig config = TinyRun("runs/r");
  config.set_seed(7);
  config.mutable_model()->set_hidden_size(64);
  config.mutable_model()->set_intermediate_size(128);
  config.mutable_model()->set_num_hidden_layers(2);
  config.mutable_model()->set_num_attention_heads(4);
  config.mutable_layout()->set_expert_parallel(2);
  StageConfig& stage = *config.mutable_stage(1);
  stage.mutable_data()->set_path("my.jsonl");
  stage.mutable_optimizer()->set_learning_rate(0.5);
  stage.mutable_optimizer()->set_min_learning_rate(0);  // the default
  stage.set_micro_batch_tokens(512);
  const std::string text = StartText(WithDefaults(config), 4, "compute: products of fp32");
  EXPECT_THAT(text, HasSubstr("run r in runs/r\nmodel: "));
  EXPECT_THAT(text, HasSubstr(" parameters: 2 layers of hidden size 64, attention GQA\n"));
  EXPECT_THAT(text, HasSubstr("layout: 4 ranks = data_parallel 2 x expert_parallel 2\n"));
  EXPECT_THAT(text, HasSubstr("\ncompute: products of fp32\n"));
  EXPECT_THAT(text, HasSubstr("stage base: pretrain, 10 steps, task chain_sum\n"));
  EXPECT_THAT(text, HasSubstr("stage cold: pretrain, 10 steps, my.jsonl\n"));
  EXPECT_THAT(text, HasSubstr("micro_batch_tokens: 512 optimizer { learning_rate: 0.5 }"));
  EXPECT_THAT(text, HasSubstr("seed: 7"));
  EXPECT_THAT(text, HasSubstr("all settings: runs/r/config.textproto\n"));
  EXPECT_THAT(text, Not(HasSubstr("min_learning_rate")));
}

TEST(DescribeRunTest, WeightDecayOfReinforcementLearningIsNoDefault) {
  RunConfig config = TinyRun("runs/r");
  StageConfig& stage = *config.mutable_stage(0);
  stage.mutable_grpo();
  stage.mutable_optimizer()->set_weight_decay(0);
  EXPECT_THAT(StartText(config, 1, ""), Not(HasSubstr("weight_decay")));
  stage.mutable_optimizer()->set_weight_decay(0.1);
  EXPECT_THAT(StartText(config, 1, ""), HasSubstr("    optimizer { weight_decay: 0.1 }\n"));
}

TEST(DescribeRunTest, ThatARunCannotGoOnIsSaidAtItsStart) {
  RunConfig config = TinyRun("runs/r");
  EXPECT_THAT(StartText(config, 1, ""), Not(HasSubstr("cannot go on")));
  config.mutable_checkpoint()->set_save_only_model(true);
  EXPECT_THAT(StartText(config, 1, ""), HasSubstr("a stage that is stopped cannot go on"));
}

TEST(DescribeRunTest, TheEndSaysWhereThingsAreAndWhatToTypeNext) {
  const std::string program = program_invocation_name;
  EXPECT_EQ(EndText(TinyRun("runs/r"), "runs/r/checkpoints/rl/10"),
            "last checkpoint: runs/r/checkpoints/rl/10\n"
            "what to type next:\n"
            "  " +
                program +
                " report runs/r\n"
                "  " +
                program +
                " generate --model=runs/r/checkpoints/rl/10 --prompt='...'\n"
                "  " +
                program + " export --checkpoint=runs/r/checkpoints/rl/10 --out=runs/r/export\n");
}

TEST(DescribeRunTest, AfterChatsAChatIsTheNextThing) {
  RunConfig config = TinyRun("runs/r");
  config.mutable_stage(config.stage_size() - 1)->mutable_data()->set_chat(true);
  EXPECT_THAT(EndText(config, "c"), HasSubstr(" generate --model=c --chat --prompt='...'\n"));
}

TEST(DescribeRunTest, TheEndNamesTheBestCheckpoint) {
  const RunDirectory root;
  RunConfig config = TinyRun(root.path());
  config.mutable_checkpoint()->set_best_metric("eval/loss");
  Publish(root.path(), "base", 4);
  const std::string stage = CheckpointStageDir(root.path(), "base");
  ASSERT_TRUE(LinkBestCheckpoint(stage, 4).ok());
  EXPECT_THAT(
      EndText(config, "c"),
      HasSubstr("best checkpoint of stage base by eval/loss: " + stage + "/best (step 4)\n"));
}

}  // namespace
}  // namespace deduce
