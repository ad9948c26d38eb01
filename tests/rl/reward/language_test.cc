#include "rl/reward/language.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

double Score(const char* language, const std::string& completion) {
  const Problem problem = {"p", "1", "chain_sum", language};
  const Grade grade = LanguageVerifier().Verify(problem, completion);
  EXPECT_EQ(grade.verdict, grade.score == 1 ? Verdict::kRight : Verdict::kWrong);
  return grade.score;
}

TEST(LanguageTest, ScoreIsTheShareOfNumeralsInTheProblemsScript) {
  const std::string mixed = "<think>1+2=3;\u4e00</think><answer>9</answer>";
  EXPECT_EQ(Score("ascii", mixed), 0.75);
  EXPECT_EQ(Score("chinese", mixed), 0.25);
  EXPECT_EQ(Score("ascii", "<think>12</think>"), 1);
  EXPECT_EQ(Score("chinese", "<think>\u3007\u4e5d</think>"), 1);
}

TEST(LanguageTest, OnlyTheThinkPartCounts) {
  EXPECT_EQ(Score("ascii", "\u4e00<think>1</think><answer>\u4e00</answer>"), 1);
  EXPECT_EQ(Score("ascii", "1<answer>\u4e00</answer>"), 1);         // <think> left out
  EXPECT_EQ(Score("ascii", "<think>1<answer>\u4e00</answer>"), 1);  // </think> left out
  EXPECT_EQ(Score("ascii", "<think>1\u4e00"), 0.5);                 // cut off
}

TEST(LanguageTest, NoNumeralsScoreNothing) {
  EXPECT_EQ(Score("ascii", ""), 0);
  EXPECT_EQ(Score("ascii", "<think>+=;</think><answer>1</answer>"), 0);
}

TEST(LanguageTest, AProblemWithoutALanguageIsUnscorable) {
  for (const char* language : {"", "english"}) {
    const Problem problem = {"p", "1", "math", language};
    EXPECT_EQ(LanguageVerifier().Verify(problem, "<think>1</think>").verdict, Verdict::kUnscorable);
  }
}

}  // namespace
}  // namespace deduce
