#include "rl/evaluate/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "tests/data/temporary_file.h"
#include "tests/rl/tiny_rollouts.h"
#include "tests/testing/rank_group.h"

namespace deduce {
namespace {

TEST(WilsonIntervalTest, IsThePublishedOne) {
  // Four decimals of R's binom::binom.confint(x, n, methods = "wilson"), also in Brown, Cai and
  // DasGupta (2001), Interval Estimation for a Binomial Proportion.
  const struct {
    double successes;
    int64_t n;
    double low, high;
  } cases[] = {
      {0, 10, 0, 0.2775}, {5, 10, 0.2366, 0.7634}, {10, 10, 0.7225, 1}, {1, 10, 0.0179, 0.4042}};
  for (const auto& known : cases) {
    const Interval interval =
        WilsonInterval(known.successes / static_cast<double>(known.n), known.n);
    EXPECT_NEAR(interval.low, known.low, 5e-5);
    EXPECT_NEAR(interval.high, known.high, 5e-5);
  }
}

TEST(WilsonIntervalTest, EndsSolveTheScoreEquation) {
  // By definition |mean - p| = z * sqrt(p * (1 - p) / n) at both ends.
  for (const double mean : {0.03, 0.5, 0.77}) {
    for (const int64_t n : {7, 256}) {
      const Interval interval = WilsonInterval(mean, n);
      for (const double p : {interval.low, interval.high}) {
        EXPECT_NEAR(std::abs(mean - p),
                    1.959963984540054 * std::sqrt(p * (1 - p) / static_cast<double>(n)), 1e-12);
      }
      EXPECT_LT(interval.low, mean);
      EXPECT_GT(interval.high, mean);
    }
  }
}

TEST(WilsonIntervalTest, NothingMeasuredCanBeAnything) {
  EXPECT_EQ(WilsonInterval(0, 0).low, 0);
  EXPECT_EQ(WilsonInterval(0, 0).high, 1);
}

StageConfig EvaluatedStage() {
  StageConfig stage = TinyGrpoStage();
  stage.mutable_evaluate()->set_num_problems(5);
  stage.mutable_evaluate()->set_samples_per_problem(2);
  return stage;
}

MetricsRecord Evaluate(int num_ranks, const StageConfig& stage = EvaluatedStage()) {
  MetricsRecord record;
  RunRanks(num_ranks, [&](Communicator& world) {
    TinyTraining training(world, num_ranks, true);
    const auto evaluator = Evaluator::Create(stage, 5, TinyTokenizer(), 96, "stage[0]");
    ASSERT_TRUE(evaluator.ok()) << evaluator.status();
    MetricsRecord own;
    const absl::Status status = evaluator->Append(*training.model, own);
    EXPECT_TRUE(status.ok()) << status;
    if (world.rank() == 0) record = own;
  });
  return record;
}

TEST(EvaluatorTest, RecordHoldsEveryNumberWithItsIntervalOverProblems) {
  std::map<std::string, MetricValue> values;
  for (const auto& [name, value] : Evaluate(1)) values[name] = value;
  ASSERT_EQ(values.size(), 5U);
  EXPECT_EQ(values.count("eval/chain_sum/format"), 1U);
  for (const std::string name : {"pass@1", "language_consistency"}) {
    const double mean = std::get<double>(values.at("eval/chain_sum/" + name));
    const Interval interval =
        WilsonInterval(mean, 5);  // not 10: a problem's samples are not independent
    EXPECT_EQ(std::get<std::vector<double>>(values.at("eval/chain_sum/" + name + "_ci95")),
              (std::vector<double>{interval.low, interval.high}));
  }
  // The untrained model writes digits of both scripts, or the ranks' agreement would show little.
  EXPECT_GT(std::get<double>(values.at("eval/chain_sum/language_consistency")), 0);
}

TEST(EvaluatorTest, ProblemsWithoutALanguageHaveNoConsistency) {
  StageConfig stage = EvaluatedStage();
  stage.mutable_evaluate()->mutable_task()->set_name("arithmetic");
  std::vector<std::string> names;
  for (const auto& [name, value] : Evaluate(1, stage)) names.push_back(name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"eval/arithmetic/pass@1", "eval/arithmetic/pass@1_ci95",
                                      "eval/arithmetic/format"}));
}

TEST(EvaluatorTest, TwoRanksGiveTheNumbersOfOne) { EXPECT_EQ(Evaluate(2), Evaluate(1)); }

TEST(EvaluatorTest, ASecondEvaluationHasTheSameProblemsAndDraws) {
  EXPECT_EQ(Evaluate(1), Evaluate(1));
}

TEST(EvaluatorTest, ItsOwnTaskReplacesTheStagesAndIsNamedInErrors) {
  StageConfig stage = EvaluatedStage();
  stage.mutable_evaluate()->mutable_task()->set_name("chess");
  const absl::Status status = Evaluator::Create(stage, 5, TinyTokenizer(), 96, "stage[2]").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(status.message()).rfind("stage[2].evaluate.task.name: found \"chess\"", 0),
            0U)
      << status;
}

// Problems and samples of a held-out file.
constexpr char kHeldOut[] =
    "{\"prompt\": \"1+2=?\", \"completion\": \"3\", \"answer\": 3}\n"
    "{\"prompt\": \"2+2=?\", \"answer\": \"4\"}\n"
    "{\"prompt\": \"5+2=?\", \"completion\": \"7\"}\n";

StageConfig StageOnFile(const std::string& path, bool grpo) {
  StageConfig stage = EvaluatedStage();
  if (!grpo) stage.mutable_sft();
  stage.mutable_evaluate()->set_max_completion_length(12);
  stage.mutable_data()->set_path(path);
  stage.mutable_data()->set_verifier("math");
  stage.mutable_evaluate()->set_path(path);
  return stage;
}

TEST(EvaluatorTest, AFileGivesItsLossAndTheAccuracyUnderItsName) {
  const TemporaryFile file("held_out.jsonl", kHeldOut);
  const std::string name = std::filesystem::path(file.path()).stem();
  std::vector<std::string> names;
  for (const auto& [metric, value] : Evaluate(1, StageOnFile(file.path(), /*grpo=*/false)))
    names.push_back(metric);
  EXPECT_EQ(names, (std::vector<std::string>{"eval/loss", "eval/" + name + "/pass@1",
                                             "eval/" + name + "/pass@1_ci95",
                                             "eval/" + name + "/format"}));
}

TEST(EvaluatorTest, ASmallModelWithoutALengthLeavesRoomForPrompts) {
  const TemporaryFile file("held_out.jsonl", kHeldOut);
  StageConfig stage = StageOnFile(file.path(), /*grpo=*/false);
  stage.mutable_evaluate()->clear_max_completion_length();  // 128, more than the 96 positions
  EXPECT_FALSE(Evaluate(1, stage).empty());
}

TEST(EvaluatorTest, AGrpoStageTakesTheProblemsOfAFileAlone) {
  const TemporaryFile file("held_out.jsonl", kHeldOut);
  for (const auto& [metric, value] : Evaluate(1, StageOnFile(file.path(), /*grpo=*/true)))
    EXPECT_NE(metric, "eval/loss");
}

TEST(EvaluatorTest, TwoRanksGiveTheNumbersOfOneOnAFile) {
  const TemporaryFile file("held_out.jsonl", kHeldOut);
  const StageConfig stage = StageOnFile(file.path(), /*grpo=*/false);
  EXPECT_EQ(Evaluate(2, stage), Evaluate(1, stage));
}

TEST(EvaluatorTest, WhatIsReadOfAFileIsSaid) {
  const TemporaryFile file("held_out.jsonl", kHeldOut);
  StageConfig stage = StageOnFile(file.path(), /*grpo=*/false);
  stage.mutable_evaluate()->set_num_problems(1);
  const auto evaluator = Evaluator::Create(stage, 5, TinyTokenizer(), 96, "stage[0]");
  ASSERT_TRUE(evaluator.ok()) << evaluator.status();
  EXPECT_EQ(evaluator->rows_text(),
            "3 rows; loss of 2; accuracy on 1 of 2 problems (evaluate.num_problems)");
}

}  // namespace
}  // namespace deduce
