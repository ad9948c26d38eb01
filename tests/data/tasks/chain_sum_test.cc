#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_split.h"
#include "data/tasks/numerals.h"
#include "data/tasks/registry.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

TaskConfig Config() {
  TaskConfig config;
  config.set_name("chain_sum");
  return config;
}

std::unique_ptr<Task> Make(const TaskConfig& config, uint64_t seed = 1) {
  auto task = MakeTask(config, seed);
  EXPECT_TRUE(task.ok()) << task.status();
  return *std::move(task);
}

// The numbers that problem n asks to be added, and the script it asks in.
std::vector<int64_t> Operands(const Task& task, Split split, uint64_t n) {
  const std::string prompt = task.MakeProblem(split, n).prompt;
  std::vector<int64_t> operands;
  for (const auto& number : absl::StrSplit(prompt.substr(0, prompt.find("=?")), '+')) {
    operands.push_back(std::stoll(ParseNumeral(std::string(number)).value()));
  }
  return operands;
}
Script ScriptOf(const Task& task, uint64_t n) {
  return *ScriptOfLanguage(task.MakeProblem(Split::kTrain, n).language);
}

bool Has(const std::string& text, const char* part) { return text.find(part) != text.npos; }

// What the trace of a sound problem must be, written independently of the task.
std::string ExpectedTrace(const std::vector<int64_t>& operands, Script script) {
  std::string trace = "<think>";
  int64_t sum = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) {
    trace += (i > 1 ? ";" : "") + WriteNumeral(sum, script) + "+" +
             WriteNumeral(operands[i], script) + "=";
    sum += operands[i];
    trace += WriteNumeral(sum, script);
  }
  return trace + "</think><answer>" + WriteNumeral(sum, script) + "</answer>";
}

TEST(ChainSumTest, TracesWriteEveryPartialSumInTheProblemsScript) {
  TaskConfig config = Config();
  config.set_min_terms(2);
  config.set_max_terms(5);
  config.set_min_digits(1);
  config.set_max_digits(3);
  const auto task = Make(config);
  for (uint64_t n = 0; n < 200; ++n) {
    const Problem problem = task->MakeProblem(Split::kTrain, n);
    const Script script = *ScriptOfLanguage(problem.language);
    const std::vector<int64_t> operands = Operands(*task, Split::kTrain, n);
    std::string prompt;
    int64_t sum = 0;
    for (const int64_t operand : operands) {
      prompt += (prompt.empty() ? "" : "+") + WriteNumeral(operand, script);
      sum += operand;
    }
    EXPECT_EQ(problem.prompt, prompt + "=?");
    EXPECT_EQ(problem.answer, WriteNumeral(sum, script));
    EXPECT_EQ(problem.verifier, "chain_sum");
    EXPECT_EQ(task->MakeCompletion(Split::kTrain, n, false), ExpectedTrace(operands, script));
    // No rate is set: with faults is the same.
    EXPECT_EQ(task->MakeCompletion(Split::kTrain, n, true), ExpectedTrace(operands, script));
  }
}

TEST(ChainSumTest, NumbersOfTermsAndDigitsCoverTheirRanges) {
  TaskConfig config = Config();
  config.set_min_terms(2);
  config.set_max_terms(4);
  config.set_min_digits(1);
  config.set_max_digits(3);
  const auto task = Make(config);
  std::set<size_t> terms, digits;
  for (uint64_t n = 0; n < 300; ++n) {
    const auto operands = Operands(*task, Split::kTrain, n);
    terms.insert(operands.size());
    for (const int64_t operand : operands) digits.insert(std::to_string(operand).size());
  }
  EXPECT_EQ(terms, (std::set<size_t>{2, 3, 4}));
  EXPECT_EQ(digits, (std::set<size_t>{1, 2, 3}));
}

TEST(ChainSumTest, SameSeedSameProblemsOtherSeedOthers) {
  const auto one = Make(Config(), 1), again = Make(Config(), 1), other = Make(Config(), 2);
  int equal = 0;
  for (uint64_t n = 0; n < 50; ++n) {
    EXPECT_EQ(one->MakeProblem(Split::kTrain, n).prompt,
              again->MakeProblem(Split::kTrain, n).prompt);
    equal +=
        one->MakeProblem(Split::kTrain, n).prompt == other->MakeProblem(Split::kTrain, n).prompt;
  }
  EXPECT_LT(equal, 3);
}

// Two terms of one digit have only 100 tuples: collisions would be certain without the rule.
TEST(ChainSumTest, HeldOutProblemsNeverOccurInTrainingWhateverTheSeed) {
  TaskConfig config = Config();
  config.set_min_terms(2);
  config.set_max_terms(2);
  config.set_min_digits(1);
  config.set_max_digits(1);
  std::set<std::vector<int64_t>> train, held_out;
  for (const uint64_t seed : {1, 2, 3}) {
    const auto task = Make(config, seed);
    for (uint64_t n = 0; n < 1000; ++n) {
      train.insert(Operands(*task, Split::kTrain, n));
      held_out.insert(Operands(*task, Split::kHeldOut, n));
    }
  }
  EXPECT_GE(held_out.size(), 1u);
  for (const auto& operands : held_out) EXPECT_EQ(train.count(operands), 0u);
}

// 16,000 draws at 1/16: mean 1,000, deviation 30.6; the bound is five of those.
TEST(ChainSumTest, ChineseShareIsKept) {
  TaskConfig config = Config();
  config.set_chinese_share(0);
  EXPECT_EQ(Make(config)->LongestExamples().size(), 1u);
  config.set_chinese_share(0.25);
  const auto task = Make(config);
  int chinese = 0;
  for (uint64_t n = 0; n < 4000; ++n) {
    chinese += task->MakeProblem(Split::kTrain, n).language == "chinese";
  }
  EXPECT_NEAR(chinese, 1000, 137);  // five deviations of 27.4
}

TEST(ChainSumTest, WrongStepsCarryOnToAWrongAnswer) {
  TaskConfig config = Config();
  config.set_min_terms(2);
  config.set_max_terms(2);
  config.set_chinese_share(0);
  config.set_step_error_rate(1);
  const auto task = Make(config);
  for (uint64_t n = 0; n < 100; ++n) {
    const Problem problem = task->MakeProblem(Split::kTrain, n);
    const std::string trace = task->MakeCompletion(Split::kTrain, n, true);
    const auto operands = Operands(*task, Split::kTrain, n);
    const size_t equals = trace.find('='), end = trace.find("</think>");
    const int64_t result = std::stoll(trace.substr(equals + 1, end - equals - 1));
    const int64_t error = std::abs(result - operands[0] - operands[1]);
    EXPECT_TRUE(error == 1 || error == 10) << trace;
    EXPECT_THAT(trace, HasSubstr("<answer>" + std::to_string(result) + "</answer>"));
    EXPECT_FALSE(Has(trace, ("<answer>" + problem.answer + "<").c_str()));
  }
}

TEST(ChainSumTest, LaterStepsUseTheWrongResult) {
  TaskConfig config = Config();
  config.set_chinese_share(0);
  config.set_step_error_rate(1);
  const auto task = Make(config);
  const std::string trace = task->MakeCompletion(Split::kTrain, 0, true);
  const size_t equals = trace.find('='), semicolon = trace.find(';');
  const std::string result = trace.substr(equals + 1, semicolon - equals - 1);
  EXPECT_THAT(trace, HasSubstr(";" + result + "+"));
}

TEST(ChainSumTest, MixedStepsAndTheirAnswerAreInTheOtherScript) {
  TaskConfig config = Config();
  config.set_mix_rate(1);
  const auto task = Make(config);
  for (uint64_t n = 0; n < 50; ++n) {
    const Script asked = ScriptOf(*task, n);
    const Script other = asked == Script::kAscii ? Script::kChinese : Script::kAscii;
    EXPECT_EQ(task->MakeCompletion(Split::kTrain, n, true),
              ExpectedTrace(Operands(*task, Split::kTrain, n), other));
  }
}

TEST(ChainSumTest, FormatErrorsDropExactlyOneTag) {
  TaskConfig config = Config();
  config.set_format_error_rate(1);
  const auto task = Make(config);
  std::set<std::string> dropped;
  for (uint64_t n = 0; n < 60; ++n) {
    const std::string trace = task->MakeCompletion(Split::kTrain, n, true);
    int missing = 0;
    for (const char* tag : {"<think>", "</think>", "<answer>", "</answer>"}) {
      if (Has(trace, tag)) continue;
      ++missing;
      dropped.insert(tag);
    }
    EXPECT_EQ(missing, 1) << trace;
  }
  EXPECT_EQ(dropped.size(), 4u);
}

// 2,000 traces of two steps at 0.1 each: 19% have a fault, deviation 17.5.
TEST(ChainSumTest, FaultRatesAreKeptAndProblemsStayRight) {
  TaskConfig config = Config();
  config.set_step_error_rate(0.1);
  const auto task = Make(config);
  int wrong = 0;
  for (uint64_t n = 0; n < 2000; ++n) {
    wrong += task->MakeCompletion(Split::kTrain, n, true) !=
             task->MakeCompletion(Split::kTrain, n, false);
  }
  EXPECT_NEAR(wrong, 380, 88);
}

TEST(ChainSumTest, AGuessWritesNoStepAndIsWrong) {
  TaskConfig config = Config();
  config.set_guess_rate(1);
  config.set_chinese_share(0);
  const auto task = Make(config);
  for (uint64_t n = 0; n < 100; ++n) {
    const std::string trace = task->MakeCompletion(Split::kTrain, n, true);
    const std::string answer = task->MakeProblem(Split::kTrain, n).answer;
    ASSERT_EQ(trace.rfind("<think></think><answer>", 0), 0u) << trace;
    const int64_t guess = std::stoll(trace.substr(std::string("<think></think><answer>").size()));
    EXPECT_NE(guess, std::stoll(answer));
    EXPECT_LE(std::abs(guess - std::stoll(answer)), 20);
  }
}

TEST(ChainSumTest, AnEarlyStopForgetsTheLastTerm) {
  TaskConfig config = Config();
  config.set_early_stop_rate(1);
  const auto task = Make(config);
  for (uint64_t n = 0; n < 50; ++n) {
    std::vector<int64_t> operands = Operands(*task, Split::kTrain, n);
    operands.pop_back();
    EXPECT_EQ(task->MakeCompletion(Split::kTrain, n, true),
              ExpectedTrace(operands, ScriptOf(*task, n)));
  }
}

// 2,000 traces: 600 guesses and 400 early stops, deviations 20.5 and 17.9; the bounds are five.
TEST(ChainSumTest, HabitsExcludeEachOtherAndKeepTheirRates) {
  TaskConfig config = Config();
  config.set_guess_rate(0.3);
  config.set_early_stop_rate(0.2);
  const auto task = Make(config);
  int guesses = 0, stops = 0;
  for (uint64_t n = 0; n < 2000; ++n) {
    const std::string trace = task->MakeCompletion(Split::kTrain, n, true);
    guesses += !Has(trace, "=");
    stops += Has(trace, "=") && !Has(trace, ";");
  }
  EXPECT_NEAR(guesses, 600, 103);
  EXPECT_NEAR(stops, 400, 90);
}

TEST(ChainSumTest, NoTraceIsLongerThanTheLongestExample) {
  TaskConfig config = Config();
  config.set_min_digits(1);
  config.set_max_digits(1);
  config.set_max_terms(12);
  config.set_step_error_rate(0.9);
  config.set_chinese_share(0);
  const auto task = Make(config);
  const Example longest = task->LongestExamples().at(0);
  for (uint64_t n = 0; n < 500; ++n) {
    EXPECT_LE(task->MakeProblem(Split::kTrain, n).prompt.size(), longest.problem.prompt.size());
    EXPECT_LE(task->MakeCompletion(Split::kTrain, n, true).size(), longest.completion.size());
  }
}

TEST(ChainSumTest, FieldsOutOfRangeAreErrorsThatNameThem) {
  const struct {
    void (*spoil)(TaskConfig&);
    const char* message;
  } cases[] = {
      {[](TaskConfig& c) { c.set_min_terms(1); }, "task.min_terms: found 1, expected 2 to 100"},
      {[](TaskConfig& c) { c.set_max_terms(2); }, "task.max_terms: found 2, expected 3 to 100"},
      {[](TaskConfig& c) { c.set_max_terms(101); }, "task.max_terms: found 101"},
      {[](TaskConfig& c) { c.set_min_digits(0); }, "task.min_digits: found 0"},
      {[](TaskConfig& c) { c.set_max_digits(16); }, "task.max_digits: found 16, expected 1 to 15"},
      {[](TaskConfig& c) { c.set_chinese_share(1.5); }, "task.chinese_share: found 1.5"},
      {[](TaskConfig& c) { c.set_step_error_rate(-1); }, "task.step_error_rate: found -1"},
      {[](TaskConfig& c) { c.set_mix_rate(2); }, "task.mix_rate: found 2, expected 0 to 1"},
      {[](TaskConfig& c) { c.set_format_error_rate(std::stod("nan")); },
       "task.format_error_rate: found nan"},
      {[](TaskConfig& c) { c.set_guess_rate(1.5); }, "task.guess_rate: found 1.5, expected 0 to 1"},
      {[](TaskConfig& c) {
         c.set_guess_rate(0.75);
         c.set_early_stop_rate(0.5);
       },
       "task.early_stop_rate: found 0.5, expected 0 to 0.25"},
  };
  for (const auto& bad : cases) {
    TaskConfig config = Config();
    bad.spoil(config);
    const auto task = MakeTask(config, 1);
    EXPECT_EQ(task.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(task.status().message()), HasSubstr(bad.message));
  }
}

const TaskKind& Kind() {
  return **std::find_if(TaskKinds().begin(), TaskKinds().end(),
                        [](const TaskKind* kind) { return kind->name == Config().name(); });
}

Verdict GradeAnswer(const std::string& gold, const std::string& completion) {
  return Kind().grade({.answer = gold}, completion);
}

TEST(ChainSumTest, AnswersAreRightInEitherScript) {
  for (const char* gold : {"122", "\u4e00\u4e8c\u4e8c"}) {
    for (const char* answer : {"122", " 122\n", "0122", "\u4e00\u4e8c\u4e8c"}) {
      EXPECT_EQ(GradeAnswer(gold, "<think>x</think><answer>" + std::string(answer) + "</answer>"),
                Verdict::kRight);
    }
    for (const char* answer :
         {"", "123", "\u4e00\u4e8c", "1\u4e8c\u4e8c", "122.", "37+85", "-122"}) {
      EXPECT_EQ(GradeAnswer(gold, "<answer>" + std::string(answer) + "</answer>"), Verdict::kWrong);
    }
  }
}

TEST(ChainSumTest, AnAnswerOutsideItsTagsIsWrong) {
  EXPECT_EQ(GradeAnswer("122", "122"), Verdict::kWrong);
}

TEST(ChainSumTest, AGoldAnswerThatCannotBeReadIsUnscorableAndNeverRight) {
  for (const std::string gold : {"", "abc", "1\u4e8c"}) {
    EXPECT_EQ(GradeAnswer(gold, "<answer>" + gold + "</answer>"), Verdict::kUnscorable);
    EXPECT_EQ(GradeAnswer(gold, "no answer"), Verdict::kUnscorable);
  }
}

TEST(ChainSumTest, LargestSizesStayInRange) {
  TaskConfig config = Config();
  config.set_max_terms(100);
  config.set_min_digits(15);
  config.set_max_digits(15);
  const auto task = Make(config);
  EXPECT_EQ(ParseNumeral(task->LongestExamples().at(0).problem.answer), "99999999999999900");
}

}  // namespace
}  // namespace deduce
