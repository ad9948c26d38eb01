#include "rl/reward/find_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace deduce {
namespace {

using Pairs = std::pair<const char*, const char*>;

std::string Found(const std::string& text) {
  const auto found = FindAnswer(text);
  return found ? found->text : "nothing";
}

TEST(FindAnswerTest, EveryMarkIsFound) {
  for (const auto& [text, answer] :
       {Pairs{"so <answer>42</answer>", "42"}, Pairs{"so \\boxed{42}.", "42"},
        Pairs{"\\fbox{42}", "42"}, Pairs{"\\boxed {42}", "42"}, Pairs{"\\boxed 42", "42"},
        Pairs{"\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"}, Pairs{"#### 42", "42"},
        Pairs{"work\n#### 42\n", "42"}, Pairs{"The answer is 42.", "42"},
        Pairs{"**Answer:** 42", "42"}, Pairs{"Final Answer: $42$. I hope it is correct.", "42"},
        Pairs{"the answer is 42, because 40 + 2 = 42", "42"}, Pairs{"so $x = 42$", "x = 42"},
        Pairs{"so \\[x = 42\\] follows", "x = 42"}, Pairs{"so \\(42\\)", "42"},
        Pairs{"so $$42$$", "42"}}) {
    EXPECT_EQ(Found(text), answer) << text;
  }
}

TEST(FindAnswerTest, TheLastMarkCounts) {
  for (const auto& [text, answer] :
       {Pairs{"\\boxed{41} and then \\boxed{42}", "42"},
        Pairs{"\\boxed{41}. No, the answer is 42.", "42"},
        Pairs{"The answer is 41. No, \\boxed{42}", "42"}, Pairs{"#### 41\n\\boxed{42}", "42"},
        Pairs{"<answer>41</answer> No, \\boxed{42}", "42"},
        Pairs{"\\boxed{41} <answer>42</answer>", "42"}, Pairs{"We have $$x+2=7$$ so $5$.", "5"},
        Pairs{"First \\[x=5\\] then $y=7$", "y=7"}, Pairs{"\\boxed{\\boxed{42}}", "\\boxed{42}"}}) {
    EXPECT_EQ(Found(text), answer) << text;
  }
}

TEST(FindAnswerTest, AFormulaBehindAMarkOnlyExplainsUnlessItIsANumberThatEndsTheText) {
  EXPECT_EQ(Found("\\boxed{7}, since $x = 5$"), "7");
  EXPECT_EQ(Found("The answer is 7 where $x$ is 5"), "7");
  EXPECT_EQ(Found("The answer is $7$ dollars for $5$."), "7");
  EXPECT_EQ(Found("\\boxed{7} is wrong, it is $5$."), "5");
}

TEST(FindAnswerTest, WhatFollowsThinkingCounts) {
  EXPECT_EQ(Found("<think>The answer is 5.</think> It is 6."), "It is 6");
  EXPECT_EQ(Found("the answer is 5</think>\n<answer>6</answer>"), "6");
  EXPECT_EQ(Found("<think>So \\boxed{5}</think>\n"), "5");
}

TEST(FindAnswerTest, WhatStandsInTagsIsSearched) {
  EXPECT_EQ(Found("<answer>So \\boxed{42}</answer>"), "42");
  EXPECT_EQ(Found("<answer>The answer is $42$.</answer>"), "42");
  EXPECT_EQ(Found("<answer></answer>"), "");
}

TEST(FindAnswerTest, AnswersSideBySideAreOneList) {
  EXPECT_EQ(Found("\\boxed{1} and \\boxed{2}"), "1, 2");
  EXPECT_EQ(Found("so $x=1$, $x=2$ or $x=3$"), "x=1, x=2, x=3");
  EXPECT_EQ(Found("It costs $11 or $12."), "11, 12");
  EXPECT_EQ(Found("$k=1$ gives $x=2$"), "x=2");
}

TEST(FindAnswerTest, ADollarSignMayBeMoney) {
  EXPECT_EQ(Found("He spends $12 and keeps $18."), "18");
  EXPECT_EQ(Found("It costs \\$1,250.50 in total"), "1,250.50");
  EXPECT_EQ(Found("With $12 he has $x = 3$ left"), "x = 3");
  EXPECT_EQ(Found("$12 inches$"), "12 inches");
  EXPECT_EQ(Found("$ 5 $"), " 5 ");
}

TEST(FindAnswerTest, ASentenceBehindTheLastFormulaCounts) {
  EXPECT_EQ(Found("We get $x = 3$. So Grace has 6 apples."), "So Grace has 6 apples");
  EXPECT_EQ(Found("Since $3+3=6$, Grace has them all."), "3+3=6");
}

TEST(FindAnswerTest, WhereNothingIsSaidThereIsNone) {
  for (const char* text : {"", " ", "I do not know", "Could be 1, 2 or 3", "\\boxed{5",
                           "The answer is not 5.", "1\n2\n3", "#### Step two", "<answer>5"}) {
    EXPECT_EQ(Found(text), "nothing") << text;
  }
}

TEST(FindAnswerTest, AGoldAnswerIsItsMarkOrItsWholeText) {
  EXPECT_EQ(ReadGoldAnswer("3 + 5 = <<3+5=8>>8\n#### 8").text, "8");
  EXPECT_EQ(ReadGoldAnswer("We find \\boxed{8}.").text, "8");
  EXPECT_EQ(ReadGoldAnswer("There are 8 of them").text, "There are 8 of them");
  EXPECT_FALSE(ReadGoldAnswer("between 3 and 5").form);
}

std::string Repeated(const std::string& part, int times) {
  std::string text;
  text.reserve(part.size() * static_cast<size_t>(times));
  for (int i = 0; i < times; ++i) text += part;
  return text;
}

// Work that grows with the square would take hours for these.
TEST(FindAnswerTest, MegabytesTakeLinearWork) {
  constexpr int kMany = 100000;
  for (const char* part : {"\\boxed{",   "\\boxed ",
                           "{",          "}",
                           "$",          "$1",
                           "\\$5",       "\\(",
                           "\\[",        "####",
                           "#### x\n",   "<answer>",
                           "</answer>",  "<answer>1</answer>",
                           "answer is ", "The answer is not so. ",
                           "**",         "*a ",
                           "__",         "9",
                           "9 ",         "9\n",
                           "1,",         "=",
                           " = 1",       ". ",
                           "\u0301",     "\xff",
                           "(",          "-",
                           "\\frac",     "\\",
                           "$x$, ",      "\\boxed{1}, ",
                           "and ",       "a=1 "}) {
    FindAnswer(Repeated(part, kMany));
    ReadGoldAnswer(Repeated(part, kMany));
  }
}

TEST(FindAnswerTest, ABoxBeforeManyUnclosedOnesIsFound) {
  EXPECT_EQ(Found("\\boxed{5} " + Repeated("\\boxed{", 40000)), "5");
}

}  // namespace
}  // namespace deduce
