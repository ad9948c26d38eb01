#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <set>

#include "data/tasks/registry.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

TaskConfig Config(const std::string& operators = "+-*") {
  TaskConfig config;
  config.set_name("arithmetic");
  config.set_operators(operators);
  return config;
}

std::unique_ptr<Task> Make(const TaskConfig& config, uint64_t seed = 1) {
  auto task = MakeTask(config, seed);
  EXPECT_TRUE(task.ok()) << task.status();
  return *std::move(task);
}

TEST(ArithmeticTest, AnswersAreWhatTheQuestionsAskFor) {
  const auto task = Make(Config());
  std::set<char> operators;
  for (uint64_t n = 0; n < 300; ++n) {
    const Problem problem = task->MakeProblem(Split::kTrain, n);
    long left = 0, right = 0;
    char op = 0;
    ASSERT_EQ(std::sscanf(problem.prompt.c_str(), "What is %ld %c %ld?", &left, &op, &right), 3)
        << problem.prompt;
    EXPECT_TRUE(left >= 10 && left <= 99 && right >= 10 && right <= 99) << problem.prompt;
    const long result = op == '+' ? left + right : op == '-' ? left - right : left * right;
    EXPECT_EQ(problem.answer, std::to_string(result));
    EXPECT_EQ(problem.verifier, "math");
    EXPECT_EQ(task->MakeCompletion(Split::kTrain, n, true),
              problem.prompt.substr(8, problem.prompt.size() - 9) + " = " + std::to_string(result));
    operators.insert(op);
  }
  EXPECT_EQ(operators, (std::set<char>{'+', '-', '*'}));
}

TEST(ArithmeticTest, SplitsShareNoProblem) {
  TaskConfig config = Config("+");
  config.set_min_digits(1);
  config.set_max_digits(1);
  std::set<std::string> train, held_out;
  for (uint64_t n = 0; n < 2000; ++n) {
    train.insert(Make(config)->MakeProblem(Split::kTrain, n).prompt);
    held_out.insert(Make(config, 2)->MakeProblem(Split::kHeldOut, n).prompt);
  }
  EXPECT_EQ(train.size() + held_out.size(), 100);
  for (const std::string& prompt : held_out) EXPECT_FALSE(train.contains(prompt)) << prompt;
}

TEST(ArithmeticTest, NoExampleIsLongerThanTheLongest) {
  const auto task = Make(Config());
  size_t longest = 0;
  for (const Example& example : task->LongestExamples()) {
    longest = std::max(longest, example.completion.size());
  }
  for (uint64_t n = 0; n < 500; ++n) {
    EXPECT_LE(task->MakeCompletion(Split::kTrain, n, false).size(), longest);
  }
}

TEST(ArithmeticTest, FieldsOutOfRangeAreErrorsThatNameThem) {
  EXPECT_THAT(std::string(MakeTask(Config("+/"), 1, "t").status().message()),
              HasSubstr("t.operators: found \"+/\", expected some of + - *"));
  TaskConfig digits = Config();
  digits.set_max_digits(12);
  EXPECT_THAT(std::string(MakeTask(digits, 1, "t").status().message()),
              HasSubstr("t.max_digits: found 12, expected 1 to 9"));
  digits.set_max_digits(1);
  EXPECT_THAT(std::string(MakeTask(digits, 1, "t").status().message()),
              HasSubstr("t.max_digits: found 1, expected 2 to 9"));
}

}  // namespace
}  // namespace deduce
