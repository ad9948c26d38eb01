#include "rl/reward/format.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

double Score(const std::string& completion, const std::string& prompt = "") {
  const Grade grade = FormatVerifier().Verify({.prompt = prompt}, completion);
  EXPECT_EQ(grade.verdict, grade.score == 1 ? Verdict::kRight : Verdict::kWrong);
  return grade.score;
}

TEST(FormatTest, TagsInOrderScoreOne) {
  for (const char* text :
       {"<think>a</think><answer>b</answer>", " <think>a\n</think>\n\n<answer>b</answer>\n",
        "<think></think><answer></answer>"}) {
    EXPECT_EQ(Score(text), 1) << text;
  }
}

TEST(FormatTest, ThinkingThatThePromptBeginsCounts) {
  for (const char* prompt : {"Hi<think>", "Hi<think>\n", "<think>\n\n"}) {
    EXPECT_EQ(Score("hm\n</think>\n<answer>2</answer>", prompt), 1);
    EXPECT_EQ(Score("<think>hm\n</think>\n<answer>2</answer>", prompt), 0);  // twice
    EXPECT_EQ(Score("<answer>2</answer>", prompt), 0);
  }
  EXPECT_EQ(Score("hm\n</think>\n<answer>2</answer>", "<think> is a tag"), 0);
  EXPECT_EQ(Score("<think>hm</think><answer>2</answer>", "<think> is a tag"), 1);
}

TEST(FormatTest, AnythingElseScoresZero) {
  for (const char* text :
       {"", "a", "a</think><answer>b</answer>", "<think>a<answer>b</answer>",
        "<think>a</think>b</answer>", "<think>a</think><answer>b",
        "<answer>b</answer><think>a</think>", "<think>a<answer>b</answer></think>",
        "<think><think>a</think><answer>b</answer>", "<think>a</think></think><answer>b</answer>",
        "<think>a</think><answer>b</answer><answer>b</answer>",
        "<think>a</think><answer>b</answer></answer>", "x<think>a</think><answer>b</answer>",
        "<think>a</think>x<answer>b</answer>", "<think>a</think><answer>b</answer>x",
        "<think>a</think><answer>b</answer><|end|>"}) {
    EXPECT_EQ(Score(text), 0) << text;
  }
}

}  // namespace
}  // namespace deduce
