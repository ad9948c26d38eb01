#include "rl/algorithm/explain_rewards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "rl/reward/verifier.h"
#include "tests/rl/tiny_rollouts.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Two groups of two with these rewards.
SampleTable Table(const std::vector<double>& rewards) {
  SampleTable table;
  for (size_t i = 0; i < rewards.size(); ++i) {
    *table.add_sample() = GradedSample(i, i / 2, {2}, rewards[i]);
  }
  return table;
}

TEST(ExplainRewardsTest, AStepThatTeachesNeedsNoWords) {
  EXPECT_EQ(ExplainRewards(Table({0, 1, 0, 0})), "");
  EXPECT_EQ(ExplainRewards(SampleTable()), "");
}

TEST(ExplainRewardsTest, GroupsWithoutASpreadAreExplainedWithCounts) {
  SampleTable table = Table({0, 0, 0, 0});
  table.mutable_sample(0)->set_reason(kNoAnswer);
  table.mutable_sample(1)->set_reason(kNotUnderstood);
  table.mutable_sample(1)->set_status(Sample::truncated);
  table.mutable_sample(2)->set_verdict(Sample::unscorable);
  table.mutable_sample(2)->clear_reward();
  for (Sample& sample : *table.mutable_sample()) (*sample.mutable_rewards())["format"] = 0;
  EXPECT_EQ(ExplainRewards(table),
            "no group has rewards that differ, so nothing is learned: of 4 completions 0 right, 3 "
            "wrong (1 without an "
            "answer, 1 not understood), 1 unscorable; 1 cut at max_completion_length, 4 without "
            "the format's tags");
}

TEST(ExplainRewardsTest, ASpreadBetweenGroupsIsNone) {
  EXPECT_THAT(ExplainRewards(Table({0, 0, 1, 1})), HasSubstr("no group has rewards that differ"));
}

TEST(ExplainRewardsTest, AStepWithoutARightCompletionIsExplained) {
  SampleTable table = Table({0, 0.5, 0, 0});
  for (Sample& sample : *table.mutable_sample()) sample.set_verdict(Sample::wrong);
  EXPECT_THAT(ExplainRewards(table),
              HasSubstr("no completion is right: of 4 completions 0 right, 4 wrong, 0 unscorable"));
}

TEST(ExplainRewardsTest, AnExampleIsShortAndSafeToPrint) {
  SampleTable table = Table({1, 0});
  Sample& sample = *table.mutable_sample(1);
  sample.set_prompt("1+1=?");
  sample.set_completion(std::string(1000, 'x') + "a\n\x1b[31m\u7b54\u009b");
  sample.set_answer("2");
  sample.set_reason(kNoAnswer);
  const std::string example = ExampleOfReward(table);
  EXPECT_THAT(example, HasSubstr("for example \"1+1=?\" -> \"...xxx"));
  EXPECT_THAT(example, HasSubstr("xa\\n\\x1b[31m\u7b54\\x9b\", expected \"2\": no_answer"));
  EXPECT_LT(example.size(), 300U);
  for (const char c : example) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

TEST(ExplainRewardsTest, WhereAllIsRightThereIsNoExample) {
  EXPECT_EQ(ExampleOfReward(Table({1, 1})), "");
}

}  // namespace
}  // namespace deduce
