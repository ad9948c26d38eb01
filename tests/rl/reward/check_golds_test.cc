#include "rl/reward/check_golds.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace deduce {
namespace {

Prompt WithAnswer(const std::string& answer, int line) {
  Prompt prompt;
  prompt.problem.answer = answer;
  prompt.problem.verifier = "chain_sum";
  prompt.problem.where = absl::StrCat("d.jsonl:", line);
  return prompt;
}

TEST(CheckGoldsTest, ReadableAnswersNeedNoWords) {
  const auto report = CheckGolds({WithAnswer("1", 1), WithAnswer("2", 2)});
  EXPECT_EQ(report->num_problems, 2);
  EXPECT_EQ(report->unreadable.num, 0);
  EXPECT_EQ(report->Text(), "");
}

TEST(CheckGoldsTest, OthersAreCountedAndTheFirstOnesListed) {
  EXPECT_EQ(CheckGolds({WithAnswer("1", 1), WithAnswer("one", 2)})->Text(),
            "1 of 2 answers cannot be read, so that their problems are unscorable: d.jsonl:2: "
            "found the answer \"one\", expected one that the verifier chain_sum can read");
  std::vector<Prompt> problems = {WithAnswer("1", 1)};
  for (int i = 0; i < 9; ++i) problems.push_back(WithAnswer("?", i + 2));
  const auto report = CheckGolds(problems);
  EXPECT_EQ(report->unreadable.num, 9);
  EXPECT_EQ(report->unreadable.first.size(), GoldReport::kMostListed);
  EXPECT_TRUE(report->Text().ends_with("; ..."));
}

TEST(CheckGoldsTest, WhatIsComparedByLettersIsCountedToo) {
  std::vector<Prompt> problems = {WithAnswer("8", 1), WithAnswer("The total is 8", 2)};
  for (Prompt& prompt : problems) prompt.problem.verifier = "math";
  EXPECT_EQ(CheckGolds(problems)->Text(),
            "1 of 2 answers are not understood, so that only the same letters are right: "
            "d.jsonl:2: \"The total is 8\"");
}

TEST(CheckGoldsTest, WithoutAnyReadableAnswerThereIsNothingToLearn) {
  EXPECT_EQ(CheckGolds({WithAnswer("?", 1), WithAnswer("!", 2)}).status().message(),
            "d.jsonl:1: found the answer \"?\", expected one that the verifier chain_sum can read, "
            "as is true of all 2 problems");
  EXPECT_TRUE(CheckGolds({}).ok());
}

TEST(CheckGoldsTest, TasksNeedNoRemark) {
  EXPECT_EQ(*RemarkOnGolds(nullptr), "");
  const std::vector<Prompt> problems = {WithAnswer("1", 1), WithAnswer("one", 2)};
  EXPECT_EQ(*RemarkOnGolds(&problems), CheckGolds(problems)->Text());
}

}  // namespace
}  // namespace deduce
