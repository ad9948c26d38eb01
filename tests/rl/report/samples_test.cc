#include "rl/report/samples.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nlohmann/json.hpp"
#include "tests/rl/report/run_directory.h"

namespace deduce {
namespace {

using Json = nlohmann::json;

Json Rollout(int sample, const std::string& verdict) {
  return {{"sample", sample},          {"group", 0},        {"prompt", "1+1"},
          {"completion", "2"},         {"tokens", {"2"}},   {"logprobs", {-0.5}},
          {"rewards", {{"acc", 1.0}}}, {"reward", 1.0},     {"advantage", 0.25},
          {"verdict", verdict},        {"truncated", false}};
}

TEST(SamplesTest, EvenSpacingKeepsBothEnds) {
  EXPECT_EQ(EvenlySpaced(10, 4), (std::vector<int64_t>{0, 3, 6, 9}));
  EXPECT_EQ(EvenlySpaced(3, 4), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(EvenlySpaced(5, 1), (std::vector<int64_t>{0}));
  EXPECT_TRUE(EvenlySpaced(0, 4).empty());
}

TEST(SamplesTest, AStepKeepsItsFirstSamplesAndCountsThemAll) {
  RunDirectory run;
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += Rollout(i, i < 5 ? "right" : "wrong").dump() + "\n";
  run.Write("rollouts/rl/7.jsonl", lines);
  const auto samples = ReadSamples(run.path(), {"base", "rl"});
  ASSERT_TRUE(samples.ok()) << samples.status();
  ASSERT_EQ(samples->size(), 1u);
  const StepSamples& step = samples->at(0).steps.at(0);
  EXPECT_EQ(step.step, 7);
  EXPECT_EQ(step.verdicts, (std::map<std::string, int64_t>{{"right", 5}, {"wrong", 15}}));
  ASSERT_EQ(step.samples.size(), static_cast<size_t>(kMaxSamplesPerStep));
  EXPECT_EQ(step.samples.back().sample.sample(), static_cast<uint64_t>(kMaxSamplesPerStep - 1));
}

TEST(SamplesTest, StepsAreOrderedByNumberAndThinnedEvenly) {
  RunDirectory run;
  for (int step = 1; step <= 100; ++step) {
    run.Write("rollouts/rl/" + std::to_string(step) + ".jsonl", "");
  }
  run.Write("rollouts/rl/notes.jsonl", "no rollout");
  const auto samples = ReadSamples(run.path(), {"rl"});
  ASSERT_TRUE(samples.ok()) << samples.status();
  const StageSamples& stage = samples->at(0);
  EXPECT_EQ(stage.num_steps, 100);
  ASSERT_EQ(stage.steps.size(), static_cast<size_t>(kMaxStepsPerStage));
  EXPECT_EQ(stage.steps.front().step, 1);
  EXPECT_EQ(stage.steps.back().step, 100);
  for (size_t i = 1; i < stage.steps.size(); ++i) {
    const int64_t gap = stage.steps[i].step - stage.steps[i - 1].step;
    EXPECT_TRUE(gap == 2 || gap == 3) << "99 steps over 39 gaps, found " << gap;
  }
}

TEST(SamplesTest, ALongSampleIsCutAndSaysHowLongItWas) {
  RunDirectory run;
  Json rollout = Rollout(0, "wrong");
  rollout["tokens"] = std::vector<std::string>(kMaxTokensPerSample + 9, "x");
  rollout["logprobs"] = std::vector<double>(kMaxTokensPerSample + 9, -1.0);
  run.Write("rollouts/rl/1.jsonl", rollout.dump() + "\n");
  const auto samples = ReadSamples(run.path(), {"rl"});
  ASSERT_TRUE(samples.ok()) << samples.status();
  const ReportedSample& sample = samples->at(0).steps.at(0).samples.at(0);
  EXPECT_EQ(sample.num_tokens, kMaxTokensPerSample + 9);
  EXPECT_EQ(sample.sample.token_texts_size(), kMaxTokensPerSample);
  EXPECT_EQ(sample.sample.sampler_log_probs_size(), kMaxTokensPerSample);
}

TEST(SamplesTest, ANullRewardOfAnUnscorableSampleIsNoNumber) {
  RunDirectory run;
  Json rollout = Rollout(0, "unscorable");
  rollout["reward"] = rollout["advantage"] = rollout["rewards"]["acc"] = nullptr;
  run.Write("rollouts/rl/1.jsonl", rollout.dump() + "\n");
  const auto samples = ReadSamples(run.path(), {"rl"});
  ASSERT_TRUE(samples.ok()) << samples.status();
  const Sample& sample = samples->at(0).steps.at(0).samples.at(0).sample;
  EXPECT_FALSE(sample.has_reward());
  EXPECT_FALSE(sample.has_advantage());
  EXPECT_TRUE(std::isnan(sample.rewards().at("acc")));
}

TEST(SamplesTest, ABrokenFieldIsNamedByFileAndLine) {
  struct Case {
    std::string key;
    Json value;
    std::string message;
  };
  const Case cases[] = {
      {"prompt", 1, "found prompt 1, expected a string"},
      {"verdict", "maybe", "found verdict \"maybe\", expected right, wrong or unscorable"},
      {"logprobs", Json::array(), "found logprobs [], expected an array of 1 numbers"},
      {"logprobs", {"x"}, "found logprobs[0] \"x\", expected a number"},
      {"tokens", {5}, "found tokens[0] 5, expected a string"},
      {"rewards", 1, "found rewards 1, expected an object"},
      {"rewards", {{"acc", "high"}}, "found rewards.acc \"high\", expected a number"},
      {"truncated", 0, "found truncated 0, expected true or false"},
      {"group", -1, "found group -1, expected an integer of at least 0"},
  };
  for (const Case& bad : cases) {
    RunDirectory run;
    Json rollout = Rollout(1, "right");
    rollout[bad.key] = bad.value;
    const std::string path =
        run.Write("rollouts/rl/3.jsonl", Rollout(0, "right").dump() + "\n" + rollout.dump() + "\n");
    const absl::Status status = ReadSamples(run.path(), {"rl"}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.message;
    EXPECT_NE(status.message().find(path + ":2: " + bad.message), std::string::npos) << status;
  }
}

}  // namespace
}  // namespace deduce
