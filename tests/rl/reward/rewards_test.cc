#include "rl/reward/rewards.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rl/reward/accuracy.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

GrpoConfig Configured(const std::vector<std::pair<const char*, double>>& rewards) {
  GrpoConfig config;
  for (const auto& [verifier, weight] : rewards) {
    RewardConfig* reward = config.add_reward();
    reward->set_verifier(verifier);
    reward->set_weight(weight);
  }
  return config;
}

RewardSet Make(const std::vector<std::pair<const char*, double>>& rewards) {
  return *RewardSet::Create(Configured(rewards).reward());
}

const Problem kProblem = {"1+2=?", "3", "chain_sum", "ascii"};

TEST(RewardSetTest, TotalIsTheWeightedSum) {
  const RewardSet set = Make({{"accuracy", 1}, {"format", 0.25}, {"language", 2}});
  const Scored scored = set.Score(kProblem, "<think>1+2=\u4e09;3</think><answer>3</answer>x");
  EXPECT_EQ(scored.total, 1 + 0.25 * 0 + 2 * 0.75);
  EXPECT_THAT(scored.by_verifier, UnorderedElementsAre(Pair("accuracy", 1.0), Pair("format", 0.0),
                                                       Pair("language", 0.75)));
  EXPECT_FALSE(scored.unscorable);
  EXPECT_EQ(scored.accuracy, Verdict::kRight);
}

TEST(RewardSetTest, AccuracyIsReportedEvenWhenItIsNotRewarded) {
  const RewardSet set = Make({{"format", 1}});
  const Scored right = set.Score(kProblem, "<think></think><answer>3</answer>");
  EXPECT_EQ(right.accuracy, Verdict::kRight);
  EXPECT_THAT(right.by_verifier, UnorderedElementsAre(Pair("format", 1.0)));
  EXPECT_EQ(set.Score(kProblem, "<answer>4</answer>").accuracy, Verdict::kWrong);
}

// Counts how often it is asked.
class Counting : public Verifier {
 public:
  std::string name() const override { return "math"; }
  Grade Verify(const Problem&, const std::string&) const override {
    ++count;
    return AllOrNothing(Verdict::kWrong, kNotEqual);
  }
  mutable int count = 0;
};

TEST(RewardSetTest, TheRuleOfAProblemReadsACompletionOnce) {
  const auto rule = std::make_shared<Counting>();
  const auto accuracy = std::make_shared<AccuracyVerifier>(
      std::map<std::string, std::shared_ptr<const Verifier>>{{"math", rule}});
  const Problem problem{.answer = "3", .verifier = "math"};
  // As the reward accuracy, by its own name, as both, and as none.
  const std::vector<std::vector<RewardSet::Weighted>> sets = {
      {{accuracy, 1}}, {{rule, 1}}, {{accuracy, 1}, {rule, 1}}, {}};
  for (const auto& verifiers : sets) {
    rule->count = 0;
    const Scored scored = RewardSet(verifiers, accuracy).Score(problem, "4");
    EXPECT_EQ(rule->count, 1);
    EXPECT_EQ(scored.by_verifier.size(), verifiers.size());
    EXPECT_EQ(scored.reason, kNotEqual);
  }
}

TEST(RewardSetTest, AnUnscorableVerifierMarksTheSampleAndAddsNothing) {
  const RewardSet set = Make({{"accuracy", 1}, {"format", 1}});
  const Problem bad = {"1+2=?", "three", "chain_sum", "ascii"};
  const Scored scored = set.Score(bad, "<think></think><answer>three</answer>");
  EXPECT_TRUE(scored.unscorable);
  EXPECT_EQ(scored.accuracy, Verdict::kUnscorable);
  EXPECT_EQ(scored.total, 1);
  EXPECT_THAT(scored.by_verifier, UnorderedElementsAre(Pair("format", 1.0)));
}

TEST(RewardSetTest, BadConfigsAreErrorsThatNameTheField) {
  const struct {
    std::vector<std::pair<const char*, double>> rewards;
    const char* message;
  } cases[] = {
      {{}, "reward: found none, expected at least one"},
      {{{"format", 1}, {"taste", 1}}, "reward[1].verifier: found \"taste\""},
      {{{"format", 1}, {"format", 2}}, "reward[1].verifier: found \"format\" again"},
  };
  for (const auto& bad : cases) {
    const GrpoConfig config = Configured(bad.rewards);
    const auto set = RewardSet::Create(config.reward());
    EXPECT_EQ(set.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(set.status().message()), HasSubstr(bad.message));
  }
}

}  // namespace
}  // namespace deduce
