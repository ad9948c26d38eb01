#include "rl/reward/math_answer.h"

#include <gtest/gtest.h>

#include <string>

namespace deduce {
namespace {

struct Case {
  const char* gold;
  const char* answer;
};

TEST(MathAnswerTest, EqualAnswersAreRight) {
  const Case cases[] = {
      {"42", "42"},
      {"42", "So the answer is 42."},
      {"42", "We get $40+1$, thus \\boxed{42}."},
      {"42", "\\boxed{41} and then \\boxed{42}"},
      {"$\\frac{1}{2}$", "0.50"},
      {"0.5", "\\dfrac{1}{2}"},
      {"2/4", "\\boxed{\\frac{1}{2}}"},
      {"1,000,000", "1000000"},
      {"10{,}000", "10{,}000"},
      {"$1,000", "\\$1000"},
      {"10000", "$10,\\!000$"},
      {"50\\%", "0.5"},
      {"50%", "50 %"},
      {"1.5e3", "1500"},
      {"x = 5", "5"},
      {"5", "$x=5$"},
      {"122", "37 + 85 = 122"},
      {"122", "37 + 85 = 122\n"},
      {"7", "$x = 5 + 2 = 7$"},
      {"-6", "2 * (4 - 7) = -6."},
      {"12", "12 inches"},
      {"90^\\circ", "90"},
      {"90", "90 degrees"},
      {"-5", "\u22125"},
      {"\\text{Even}", "even"},
      {"(A)", "\\boxed{\\text{A}}"},
      {"\\left(\\frac{1}{2}, 1\\right)", "(\\frac12,1)"},
      {"x \\le 2", "x <= 2"},
      {"2\\sqrt{3}", "2\\sqrt3"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(GradeMathAnswer(c.gold, c.answer), Verdict::kRight) << c.gold << " | " << c.answer;
  }
}

TEST(MathAnswerTest, DifferentAnswersAreWrong) {
  const Case cases[] = {
      {"42", "43"},
      {"42", ""},
      {"42", "I do not know"},
      {"42", "42.5"},
      {"122", "37 + 85 = 121"},
      {"85", "37 + 85 = 122"},
      {"42", "2x = 42"},
      {"5", "x = 2, y = 5"},
      {"42", "40 + 3 != 42"},
      {"42", "\\boxed{42} no, \\boxed{43}"},
      {"42", "\\boxed{42"},
      {"2", "4\\sqrt{2}"},
      {"4", "4\\sqrt{2}"},
      {"2", "2p"},
      {"2", "x2"},
      {"32349", "32, 349"},
      {"0.333", "1/3"},
      {"(1,2)", "(2,1)"},
      {"(1,2)", "[1,2]"},
      {"x = 5", "x = 6"},
      {"x \\le 2", "x \\ge 2"},
      {"7 = 11a+c", "11a+c"},
      {"a", "A+1"},
      {"\\pi", "3.14159"},
      {"100000000000000000000000000000000000000001", "100000000000000000000000000000000000000002"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(GradeMathAnswer(c.gold, c.answer), Verdict::kWrong) << c.gold << " | " << c.answer;
  }
}

TEST(MathAnswerTest, AnEmptyGoldAnswerIsUnscorable) {
  for (const char* gold : {"", "  ", "$$", "\\boxed{}", "."}) {
    EXPECT_EQ(GradeMathAnswer(gold, ""), Verdict::kUnscorable) << gold;
    EXPECT_EQ(GradeMathAnswer(gold, gold), Verdict::kUnscorable) << gold;
    EXPECT_EQ(GradeMathAnswer(gold, "1"), Verdict::kUnscorable) << gold;
  }
}

Verdict Verify(const std::string& gold, const std::string& completion) {
  return MathVerifier().Verify({.answer = gold}, completion).verdict;
}

TEST(MathVerifierTest, TheTaggedAnswerIsCompared) {
  EXPECT_EQ(Verify("\\frac{1}{2}", "<answer>0.5</answer>"), Verdict::kRight);
  EXPECT_EQ(Verify("\\frac{1}{2}", "0.5 <answer>0.6</answer>"), Verdict::kWrong);
  EXPECT_EQ(Verify(" ", "<answer> </answer>"), Verdict::kUnscorable);
}

TEST(MathVerifierTest, WithoutTagsTheAnswerIsLookedForInTheWholeCompletion) {
  EXPECT_EQ(Verify("\\frac{1}{2}", "1 - 1/2 gives \\boxed{0.5}."), Verdict::kRight);
  EXPECT_EQ(Verify("\\frac{1}{2}", " 3 / 6 = 0.5\n"), Verdict::kRight);
  EXPECT_EQ(Verify("\\frac{1}{2}", ""), Verdict::kWrong);
}

}  // namespace
}  // namespace deduce
