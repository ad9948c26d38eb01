#include "configs/resume_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "configs/parse_text.h"

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kText[] = R"(
  name: "n" seed: 1 tokenizer: "t.json" model { vocab_size: 64 moe { n_routed_experts: 2 } }
  stage { name: "base" steps: 10 pretrain { } data { path: "d.jsonl" } optimizer { learning_rate: 0.5 } }
  stage { name: "rl" steps: 5 data { task { name: "chain_sum" } } evaluate { task { name: "chain_sum" } }
          grpo { beta: 0.5 reward { verifier: "accuracy" weight: 1 } } }
)";

RunConfig Parse(const std::string& text) {
  absl::StatusOr<RunConfig> config = ParseConfigText(text, "test");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : RunConfig();
}

// The run with `from` replaced by `to`.
RunConfig Changed(const std::string& from, const std::string& to) {
  std::string text = kText;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return Parse(text.replace(at, from.size(), to));
}

// The first stage is finished, the second has three steps.
const std::vector<StageDone> kUnderWay = {{.step = 10, .over = true, .successor = "rl"},
                                          {.step = 3}};
const std::vector<StageDone> kNotBegun = {{}, {}};

std::string Error(const RunConfig& now, const std::vector<StageDone>& done = kUnderWay) {
  return std::string(ChangesOnResume(Parse(kText), now, done).status().message());
}

std::vector<std::string> Changes(const RunConfig& now,
                                 const std::vector<StageDone>& done = kUnderWay) {
  std::vector<std::string> texts;
  const auto changes = ChangesOnResume(Parse(kText), now, done);
  EXPECT_TRUE(changes.ok()) << changes.status();
  if (!changes.ok()) return texts;
  for (const ConfigChange& c : *changes) {
    texts.push_back(
        absl::StrCat(c.field, ": ", c.from, " -> ", c.to, " from ", c.stage, "/", c.step));
  }
  return texts;
}

TEST(ResumeRulesTest, TheSameRunHasNoChanges) { EXPECT_THAT(Changes(Parse(kText)), IsEmpty()); }

TEST(ResumeRulesTest, WhatDecidesNoNumberIsFree) {
  EXPECT_THAT(
      Changes(Changed("name: \"n\"",
                      "name: \"m\" run_dir: \"d\" layout { expert_parallel: 2 hang_seconds: "
                      "5 } checkpoint { every_steps: 7 } plan { sequence_length: 9 }")),
      IsEmpty());
  EXPECT_THAT(Changes(Changed("beta: 0.5", "beta: 0.5 save_rollouts_every: 9")), IsEmpty());
  EXPECT_THAT(Changes(Changed("t.json", "elsewhere/t.json")), IsEmpty());
  EXPECT_THAT(Changes(Changed("d.jsonl", "elsewhere/d.jsonl")), IsEmpty());
}

TEST(ResumeRulesTest, WhatDecidesTheStepsToComeIsRecorded) {
  EXPECT_THAT(Changes(Changed("beta: 0.5", "beta: 0.25")),
              ElementsAre("stage[1].grpo.beta: 0.5 -> 0.25 from rl/3"));
  EXPECT_THAT(Changes(Changed("steps: 5", "steps: 5 optimizer { learning_rate: 1 }")),
              ElementsAre("stage[1].optimizer.learning_rate: 0.0001 -> 1 from rl/3"));
  EXPECT_THAT(Changes(Changed("weight: 1", "weight: 2")),
              ElementsAre("stage[1].grpo.reward[0].weight: 1 -> 2 from rl/3"));
  EXPECT_THAT(
      Changes(Changed("evaluate { task { name: \"chain_sum\" }",
                      "evaluate { num_problems: 9 task { name: \"arithmetic\" }")),
      ElementsAre("stage[1].evaluate.num_problems: 128 -> 9 from rl/3",
                  "stage[1].evaluate.task.name: \"chain_sum\" -> \"arithmetic\" from rl/3"));
  EXPECT_THAT(Changes(Changed("name: \"n\"", "name: \"n\" layout { threads_per_rank: 2 }")),
              ElementsAre("layout.threads_per_rank: 1 -> 2 from rl/3"));
  EXPECT_THAT(Changes(Changed("n_routed_experts: 2", "n_routed_experts: 2 balance_loss_alpha: 1")),
              ElementsAre("model.moe.balance_loss_alpha: 0.0001 -> 1 from rl/3"));
}

TEST(ResumeRulesTest, WhatDecidedThePastStays) {
  EXPECT_EQ(Error(Changed("seed: 1", "seed: 4")),
            "seed: found 4, expected 1, with which the run in run_dir was made");
  EXPECT_EQ(Error(Changed("vocab_size: 64", "vocab_size: 65")),
            "model.vocab_size: found 65, expected 64, with which the run in run_dir was made");
  EXPECT_EQ(Error(Changed("moe { n_routed_experts: 2 }", "")),
            "model.moe: found nothing, expected { ... }, with which the run in run_dir was made");
  EXPECT_EQ(Error(Changed("beta: 0.5", "beta: 0.5 loss_type: dapo")),
            "stage[1].grpo.loss_type: found dapo, expected grpo, with which the run in run_dir was "
            "made");
  EXPECT_EQ(Error(Changed("weight: 1 }", "weight: 1 } reward { verifier: \"format\" }")),
            "stage[1].grpo.reward: found 2 entries, expected 1 entries, with which the run in "
            "run_dir was made");
  EXPECT_EQ(Error(Changed("pretrain { }", "sft { }")),
            "stage[0].pretrain: found nothing, expected { ... }, with which the run in run_dir was "
            "made");
}

TEST(ResumeRulesTest, AFinishedStageIsPast) {
  EXPECT_EQ(Error(Changed("learning_rate: 0.5", "learning_rate: 0.25")),
            "stage[0].optimizer.learning_rate: found 0.25, expected 0.5: stage base is finished");
}

// A setting that the command line left out this time was forgotten, not changed.
TEST(ResumeRulesTest, AChangeMustBeGivenByName) {
  EXPECT_EQ(Error(Changed("beta: 0.5", "")),
            "stage[1].grpo.beta: found 0.001 for want of a value, expected 0.5, as the run in "
            "run_dir has it, or a value by name");
  EXPECT_EQ(Error(Changed("evaluate { task { name: \"chain_sum\" } }", "")),
            "stage[1].evaluate: found nothing for want of a value, expected { ... }, as the run in "
            "run_dir has it, or a value by name");
}

TEST(ResumeRulesTest, AStageThatHasNotBegunMayChangeInAnything) {
  EXPECT_THAT(
      Changes(Changed("beta: 0.5", "beta: 0.5 loss_type: dapo"), {{.step = 10, .over = true}, {}}),
      ElementsAre("stage[1].grpo.loss_type: grpo -> dapo from rl/0"));
  EXPECT_EQ(Error(Changed("seed: 1", "seed: 4"), kNotBegun).substr(0, 4), "seed");
}

TEST(ResumeRulesTest, StepsMayBecomeMoreOrFewer) {
  EXPECT_THAT(Changes(Changed("steps: 5", "steps: 9")),
              ElementsAre("stage[1].steps: 5 -> 9 from rl/3"));
  EXPECT_THAT(Changes(Changed("steps: 5", "steps: 3")),
              ElementsAre("stage[1].steps: 5 -> 3 from rl/3"));
  EXPECT_EQ(Error(Changed("steps: 5", "steps: 2")),
            "stage[1].steps: found 2, expected at least the 3 that are done");
}

TEST(ResumeRulesTest, AFinishedStageGoesOnWithMoreStepsAndOtherRates) {
  const std::vector<StageDone> finished = {{.step = 10, .over = true, .successor = "rl"},
                                           {.step = 5, .over = true}};
  EXPECT_THAT(Changes(Changed("steps: 5", "steps: 9 optimizer { learning_rate: 1 }"), finished),
              ElementsAre("stage[1].steps: 5 -> 9 from rl/5",
                          "stage[1].optimizer.learning_rate: 0.0001 -> 1 from rl/5"));
}

// A refusal names a way that works.
TEST(ResumeRulesTest, ARefusalSaysHowAnotherRunStartsFromTheWeights) {
  const std::vector<StageDone> done = {
      {.step = 10, .over = true, .successor = "rl", .weights = "d#base"},
      {.step = 3, .weights = "d/checkpoints/rl/3"}};
  const auto way = [](const std::string& weights) {
    return "; a stage with init_from: \"" + weights +
           "\" in another run_dir starts from its weights";
  };
  EXPECT_EQ(Error(Changed("seed: 1", "seed: 4"), done),
            "seed: found 4, expected 1, with which the run in run_dir was made" +
                way("d/checkpoints/rl/3"));
  EXPECT_EQ(Error(Changed("learning_rate: 0.5", "learning_rate: 0.25"), done),
            "stage[0].optimizer.learning_rate: found 0.25, expected 0.5: stage base is finished" +
                way("d#base"));
  EXPECT_EQ(Error(Changed("beta: 0.5", "beta: 0.5 loss_type: dapo"), done),
            "stage[1].grpo.loss_type: found dapo, expected grpo, with which the run in run_dir was "
            "made" +
                way("d/checkpoints/rl/3"));
  EXPECT_EQ(Error(Changed("vocab_size: 64", "vocab_size: 65"), done),
            "model.vocab_size: found 65, expected 64, with which the run in run_dir was made");
}

TEST(ResumeRulesTest, AStageThatBeganWithoutAReferenceHasNoneLater) {
  const RunConfig none = Changed("beta: 0.5", "beta: 0"), some = Parse(kText);
  const auto error = [&](const RunConfig& saved, const RunConfig& now,
                         const std::vector<StageDone>& done) {
    return std::string(ChangesOnResume(saved, now, done).status().message());
  };
  EXPECT_EQ(error(none, some, kUnderWay),
            "stage[1].grpo.beta: found 0.5, expected 0, with which no reference was kept");
  EXPECT_EQ(error(none, some, {{.step = 10, .over = true}, {}}), "");
  EXPECT_EQ(error(some, none, kUnderWay), "");
}

TEST(ResumeRulesTest, StepsOfAStageThatOthersStartedFromStay) {
  EXPECT_EQ(Error(Changed("steps: 10", "steps: 11")),
            "stage[0].steps: found 11, expected 10: stage rl has begun with its last weights");
}

TEST(ResumeRulesTest, MoreStepsMayNotChangeTheRatesOfThePast) {
  EXPECT_EQ(Error(Changed("steps: 5", "steps: 9 optimizer { schedule: cosine }")),
            "stage[1].steps: found 9, expected 5: with optimizer.schedule cosine the steps done "
            "would have had other learning rates");
}

TEST(ResumeRulesTest, StagesMayBeAddedAtTheEndAndNoneRemoved) {
  const std::string more = std::string(kText) + "stage { name: \"more\" steps: 2 sft { } }";
  EXPECT_THAT(Changes(Parse(more)), ElementsAre("stage[2]: nothing -> more from more/0"));
  EXPECT_EQ(ChangesOnResume(Parse(more), Parse(kText), {{}, {}, {}}).status().message(),
            "stage[2]: found nothing, expected stage more");
}

}  // namespace
}  // namespace deduce
