#include "rl/reward/accuracy.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

Verdict Check(const Problem& problem, const std::string& completion) {
  const Grade grade = AccuracyVerifier().Verify(problem, completion);
  EXPECT_EQ(grade.score, grade.verdict == Verdict::kRight ? 1 : 0);
  return grade.verdict;
}

const Problem kAscii = {"37+85=?", "122", "chain_sum", "ascii"};
const Problem kChinese = {"\u4e09\u4e03+\u516b\u4e94=?", "\u4e00\u4e8c\u4e8c", "chain_sum",
                          "chinese"};

TEST(AccuracyTest, ChainSumsAreRightInEitherScript) {
  for (const Problem& problem : {kAscii, kChinese}) {
    for (const char* answer : {"122", " 122\n", "0122", "\u4e00\u4e8c\u4e8c"}) {
      EXPECT_EQ(Check(problem, "<think>x</think><answer>" + std::string(answer) + "</answer>"),
                Verdict::kRight);
    }
    for (const char* answer :
         {"", "123", "\u4e00\u4e8c", "1\u4e8c\u4e8c", "122.", "37+85", "-122"}) {
      EXPECT_EQ(Check(problem, "<answer>" + std::string(answer) + "</answer>"), Verdict::kWrong);
    }
  }
}

TEST(AccuracyTest, TheLastAnswerCounts) {
  EXPECT_EQ(Check(kAscii, "<answer>1</answer><answer>122</answer>"), Verdict::kRight);
  EXPECT_EQ(Check(kAscii, "<answer>122</answer><answer>1</answer>"), Verdict::kWrong);
  EXPECT_EQ(Check(kAscii, "<answer>7<answer>122</answer> bye"), Verdict::kRight);
}

TEST(AccuracyTest, AnAnswerOutsideItsTagsIsNone) {
  for (const char* completion :
       {"", "122", "<answer>122", "122</answer>", "</answer>122<answer>"}) {
    EXPECT_EQ(Check(kAscii, completion), Verdict::kWrong) << completion;
  }
}

TEST(AccuracyTest, AGoldAnswerThatCannotBeReadIsUnscorableAndNeverRight) {
  for (const char* gold : {"", "abc", "1\u4e8c"}) {
    const Problem problem = {"p", gold, "chain_sum", "ascii"};
    EXPECT_EQ(Check(problem, "<answer>" + std::string(gold) + "</answer>"), Verdict::kUnscorable);
    EXPECT_EQ(Check(problem, "no answer"), Verdict::kUnscorable);
  }
  EXPECT_EQ(Check({"p", " ", "math", ""}, "<answer> </answer>"), Verdict::kUnscorable);
}

TEST(AccuracyTest, AnUnknownRuleIsUnscorable) {
  EXPECT_EQ(Check({"p", "1", "code", ""}, "<answer>1</answer>"), Verdict::kUnscorable);
}

TEST(AccuracyTest, MathProblemsAreComparedAsMathematics) {
  const Problem problem = {"p", "\\frac{1}{2}", "math", ""};
  EXPECT_EQ(Check(problem, "<answer>0.5</answer>"), Verdict::kRight);
  EXPECT_EQ(Check(problem, "<answer>0.6</answer>"), Verdict::kWrong);
}

TEST(AccuracyTest, AMathAnswerWithoutTagsIsLookedForInTheWholeCompletion) {
  const Problem problem = {"p", "\\frac{1}{2}", "math", ""};
  EXPECT_EQ(Check(problem, "1 - 1/2 gives \\boxed{0.5}."), Verdict::kRight);
  EXPECT_EQ(Check(problem, " 3 / 6 = 0.5\n"), Verdict::kRight);
  EXPECT_EQ(Check(problem, "0.5 <answer>0.6</answer>"), Verdict::kWrong);
  EXPECT_EQ(Check(problem, ""), Verdict::kWrong);
}

}  // namespace
}  // namespace deduce
