#include "rl/reward/answer_context.h"

#include <gtest/gtest.h>

#include <vector>

namespace deduce {
namespace {

constexpr auto kFormula = AnswerMark::kFormula;
constexpr auto kBox = AnswerMark::kBox;

TEST(AnswerContextTest, ASignThatTouchesTheAnswerIsItsOwn) {
  EXPECT_EQ(SignBefore("x = -", kFormula), "-");
  EXPECT_EQ(SignBefore("It is \u2212", kFormula), "-");
  EXPECT_EQ(SignBefore("Answer - ", kFormula), "");
  EXPECT_EQ(SignBefore("$3$ - ", kFormula), std::nullopt);
  EXPECT_EQ(SignBefore("a-", kFormula), std::nullopt);
}

TEST(AnswerContextTest, WhatStandsBeforeMayMakeItAPart) {
  for (const char* before : {"2", "x", "2^", "3 + ", "\\frac{1}{", "x \u2260 ", "a \\cdot "}) {
    EXPECT_EQ(SignBefore(before, kFormula), std::nullopt) << before;
    EXPECT_EQ(SignBefore(before, kBox), std::nullopt) << before;
  }
  for (const char* before : {"", "So it is ", "\\text{Answer: }", "x = ", "(", "* ", "\\implies"}) {
    EXPECT_EQ(SignBefore(before, kFormula), "") << before;
    EXPECT_EQ(SignBefore(before, kBox), "") << before;
  }
}

TEST(AnswerContextTest, RunningTextMayOnlyMentionAFormula) {
  for (const char* before : {"at least ", "x > ", "half of ", "$3$ to ", "about "}) {
    EXPECT_EQ(SignBefore(before, kFormula), std::nullopt) << before;
    EXPECT_EQ(SignBefore(before, kBox), "") << before;
  }
  EXPECT_EQ(SignBefore("not ", kBox), std::nullopt);
  EXPECT_EQ(SignBefore("It comes to ", kFormula), "");
  EXPECT_EQ(SignBefore("If it is not 3, ", kFormula), "");
}

TEST(AnswerContextTest, AWordOfSizeBehindBelongsToTheAnswer) {
  EXPECT_EQ(SizeAfter(" million people"), " million");
  EXPECT_EQ(SizeAfter("$ percent"), " percent");
  EXPECT_EQ(SizeAfter("\\%"), "\\%");
}

TEST(AnswerContextTest, WhatStandsBehindMayMakeItAPart) {
  for (const char* after : {"^2", "x", "k", " squared", " + 2", "/2", " and a half", " to $7$",
                            "-7", " times", " is wrong", " \\cdot 2", "\\pi"}) {
    EXPECT_EQ(SizeAfter(after), std::nullopt) << after;
  }
  for (const char* after : {"", ".", "$.", " apples", " because 2 + 3", "!", "^\\circ",
                            " and so on", "\n+ 2", "</answer>", " is right", " - a lot"}) {
    EXPECT_EQ(SizeAfter(after), "") << after;
  }
}

TEST(AnswerContextTest, WordsTakeANumberBack) {
  const auto taken = [](std::vector<std::string_view> words) { return TakeNumberBack(words); };
  EXPECT_TRUE(taken({"it", "is", "about"}));
  EXPECT_TRUE(taken({"the", "square", "of"}));
  EXPECT_TRUE(taken({"close", "to"}));
  EXPECT_FALSE(taken({"adds", "up", "to"}));
  EXPECT_FALSE(taken({"the", "area", "of"}));
  EXPECT_FALSE(taken({}));
}

TEST(AnswerContextTest, PartsBetweenSeparators) {
  EXPECT_EQ(SplitAtAny(" a b,,c ", " ,"), (std::vector<std::string_view>{"a", "b", "c"}));
}

TEST(AnswerContextTest, ALongFormulaBeforeHidesNoOperator) {
  EXPECT_EQ(SignBefore(std::string(500, '1') + "+2^", kBox), std::nullopt);
  for (int i = 0; i < 4; ++i) {  // wherever a character of three bytes is cut
    std::string signs(i, '1');
    for (int n = 0; n < 200; ++n) signs += "\u2212";
    EXPECT_EQ(SignBefore(signs + "1 = ", kBox), "") << i;
  }
}

TEST(AnswerContextTest, AMegabyteBesideAnAnswerIsNotRead) {
  const std::string much(1 << 20, '{');
  for (int i = 0; i < 1000; ++i) {
    SignBefore(much, kBox);
    SizeAfter(much);
  }
}

}  // namespace
}  // namespace deduce
