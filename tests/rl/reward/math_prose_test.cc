#include "rl/reward/math_prose.h"

#include <gtest/gtest.h>

#include <string>

namespace deduce {
namespace {

std::string Read(const std::string& sentence) {
  const auto form = ReadSentence(sentence);
  return form ? form->value : "nothing";
}

TEST(MathProseTest, MarkdownIsTakenAway) {
  EXPECT_EQ(WithoutMarkdown("The **answer** is *42*."), "The answer is 42.");
  EXPECT_EQ(WithoutMarkdown("__42__ and `43`"), "42 and 43");
  EXPECT_EQ(WithoutMarkdown("## Result\n42"), " Result\n42");
}

TEST(MathProseTest, WhatOnlyLooksLikeMarkdownStays) {
  for (const char* text :
       {"2*3*4", "2 * 3 * 4", "2**3", "x__1", "#### 8", "a_1 + b_2", "*", "**42"}) {
    EXPECT_EQ(WithoutMarkdown(text), text);
  }
}

TEST(MathProseTest, TheLastSentenceEndsTheText) {
  EXPECT_EQ(LastSentence("One. Two is 2.5! So 3.\n"), "So 3");
  EXPECT_EQ(LastSentence("First\nlast"), "last");
  EXPECT_EQ(LastSentence("x = 2.5"), "x = 2.5");
  EXPECT_EQ(LastSentence(" .\n"), "");
}

TEST(MathProseTest, TheOnlyNumberOfASentenceIsItsAnswer) {
  EXPECT_EQ(Read("Grace has 6 apples"), "6");
  EXPECT_EQ(Read("So, in the end, he's got -1,234.5 (well-known) points"), "-2469/2");
  EXPECT_EQ(Read("It takes 1 1/2 hours"), "3/2");
  EXPECT_EQ(Read("She keeps $18 every day"), "18");
  EXPECT_EQ(Read("\u7b54\u6848 42"), "42");
}

TEST(MathProseTest, ANumberBesideOthersOrSignsOrVariablesIsNot) {
  for (const char* text : {"Could be 1, 2 or 3", "It is 2 x", "He has 5 - y left", "It is not 5",
                           "He has 4 or so", "between 3 and 5 of them", "He has \u22115 of them",
                           "f(x) is about 5", "at least 5 coins", "She has 5 million of them"}) {
    EXPECT_EQ(Read(text), "nothing") << text;
  }
}

TEST(MathProseTest, TheRightSideOfTheLastEqualsSignCounts) {
  EXPECT_EQ(Read("The total is 40 + 2 = 42 apples"), "42");
  EXPECT_EQ(Read("So 6 apples + 4 apples = 10 apples in April and May"), "10");
  EXPECT_EQ(Read("Therefore x equals 7"), "7");
  EXPECT_EQ(Read("We find that y = 2 + 3 = 5"), "5");
}

TEST(MathProseTest, BehindAnExpressionWithAVariableItDoesNot) {
  for (const char* text :
       {"we solve 2x = 42", "here x + y = 7", "now 3 - x = 2", "here 40 + 3 != 43"}) {
    EXPECT_EQ(Read(text), "nothing") << text;
  }
}

}  // namespace
}  // namespace deduce
