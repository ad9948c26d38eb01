#include "rl/report/run_data.h"

#include <gtest/gtest.h>

#include "tests/rl/report/run_directory.h"

namespace deduce {
namespace {

std::string Line(const std::string& stage, int step, const std::string& rest) {
  return R"({"stage":")" + stage + R"(","stage_kind":"sft","step":)" + std::to_string(step) +
         (rest.empty() ? "" : ",") + rest + "}\n";
}

TEST(RunDataTest, LinesOfOneStepAreMerged) {
  RunDirectory run;
  run.Write("metrics.jsonl", Line("a", 1, R"("loss":2)") + Line("a", 1, R"("eval/t/pass@1":0.5)"));
  const auto metrics = ReadRunMetrics(run.path());
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  ASSERT_EQ(metrics->stages.at(0).points.size(), 1u);
  const std::map<std::string, double> expected = {{"eval/t/pass@1", 0.5}, {"loss", 2}};
  EXPECT_EQ(metrics->stages[0].points[0].values, expected);
}

TEST(RunDataTest, AStepThatGoesBackReplacesWhatFollowed) {
  RunDirectory run;
  run.Write("metrics.jsonl", Line("a", 1, R"("loss":1)") + Line("a", 2, R"("loss":2,"old":1)") +
                                 Line("a", 3, R"("loss":3)") + Line("a", 2, R"("loss":5)"));
  const auto metrics = ReadRunMetrics(run.path());
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  const StageMetrics& stage = metrics->stages.at(0);
  ASSERT_EQ(stage.points.size(), 2u);
  EXPECT_EQ(stage.points[1].values, (std::map<std::string, double>{{"loss", 5}}));
}

TEST(RunDataTest, AHalfWidthAndAPairGiveTheSameInterval) {
  RunDirectory run;
  run.Write("metrics.jsonl",
            Line("a", 1, R"("eval/t/pass@1":0.5,"eval/t/pass@1_ci95":0.25)") +
                Line("a", 2, R"("eval/t/pass@1":0.5,"eval/t/pass@1_ci95":[0.25,0.75])"));
  const auto metrics = ReadRunMetrics(run.path());
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  const std::pair<double, double> expected(0.25, 0.75);
  for (const MetricPoint& point : metrics->stages.at(0).points) {
    EXPECT_EQ(point.intervals.at("eval/t/pass@1"), expected);
    EXPECT_EQ(point.values.size(), 1u);
  }
}

TEST(RunDataTest, TokensOfAStageExcludeTheStagesBefore) {
  RunDirectory run;
  run.Write("metrics.jsonl", Line("a", 1, R"("num_tokens":10)") +
                                 Line("a", 2, R"("num_tokens":20)") +
                                 Line("b", 1, R"("num_tokens":35)") +
                                 Line("c", 1, R"("num_tokens":5,"step_time":2)"));
  const auto metrics = ReadRunMetrics(run.path());
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_EQ(metrics->stages.at(0).Tokens(), 20);
  EXPECT_EQ(metrics->stages.at(1).Tokens(), 15);
  EXPECT_EQ(metrics->stages.at(2).Tokens(), 5) << "this stage counted from 0 again";
  EXPECT_EQ(metrics->stages.at(2).Seconds(), 2);
}

TEST(RunDataTest, ANullNumberIsAbsent) {
  RunDirectory run;
  run.Write("metrics.jsonl", Line("a", 1, R"("loss":null)") + Line("a", 2, R"("loss":4)"));
  const auto metrics = ReadRunMetrics(run.path());
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_EQ(metrics->stages.at(0).First("loss"), 4);
  EXPECT_EQ(metrics->stages.at(0).First("reward"), std::nullopt);
}

TEST(RunDataTest, ABrokenLineIsNamedByFileAndLine) {
  struct Case {
    std::string line, found, expected;
  };
  const Case cases[] = {
      {"{\"stage\":\n", "text that is not JSON at byte 10", "a JSON object"},
      {R"({"stage_kind":"sft","step":1})"
       "\n",
       "no stage", "a string"},
      {R"({"stage":"a","step":1})"
       "\n",
       "no stage_kind", "a string"},
      {R"({"stage":"a","stage_kind":"sft"})"
       "\n",
       "no step", "an integer of at least 0"},
      {R"({"stage":"a","stage_kind":"sft","step":-1})"
       "\n",
       "step -1", "an integer of at least 0"},
      {R"({"stage":"a","stage_kind":"grpo","step":2})"
       "\n",
       "stage_kind \"grpo\"", "\"sft\""},
      {Line("a", 2, R"("loss":[1])"), "loss [1]", "a number"},
      {Line("a", 2, R"("x":1,"x_ci95":[1,2,3])"), "x_ci95 [1,2,3]", "a pair [low, high]"},
      {Line("a", 2, R"("x_ci95":0.5)"), "x_ci95 0.5", "the number x beside it"},
      {Line("a", 2, R"("weights_hash":7)"), "weights_hash 7", "a string"},
  };
  for (const Case& bad : cases) {
    RunDirectory run;
    const std::string path = run.Write("metrics.jsonl", Line("a", 1, "") + bad.line);
    const absl::Status status = ReadRunMetrics(run.path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.line;
    const std::string message(status.message());
    EXPECT_EQ(message.rfind(path + ":2: found ", 0), 0u) << message;
    EXPECT_NE(message.find(bad.found), std::string::npos) << message;
    EXPECT_NE(message.find(bad.expected), std::string::npos) << message;
  }
}

TEST(RunDataTest, ADirectoryWithoutMetricsIsNotFoundAndNamed) {
  RunDirectory run;
  const absl::Status missing = ReadRunMetrics(run.path()).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.message().find(run.file("metrics.jsonl")), std::string::npos) << missing;
  run.Write("metrics.jsonl", "{\"stage\":");
  EXPECT_EQ(ReadRunMetrics(run.path()).status().code(), absl::StatusCode::kNotFound);
}

TEST(RunDataTest, ARunIsNamedByTheLastPartOfItsDirectory) {
  RunDirectory run("seed1");
  run.Write("metrics.jsonl", Line("a", 1, ""));
  for (const char* ending : {"", "/", "/."}) {
    EXPECT_EQ(ReadRunMetrics(run.path() + ending)->name, "seed1") << ending;
  }
}

}  // namespace
}  // namespace deduce
