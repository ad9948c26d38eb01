#include "rl/reward/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "data/tasks/registry.h"

namespace deduce {
namespace {

TEST(VerifierRegistryTest, EveryNameMakesItsVerifierWithHelp) {
  std::set<std::string> names;
  for (const VerifierKind& kind : VerifierKinds()) {
    EXPECT_EQ(MakeVerifier(kind.name).value()->name(), kind.name);
    EXPECT_NE(kind.help, "");
    EXPECT_TRUE(names.insert(kind.name).second) << kind.name;
  }
}

TEST(VerifierRegistryTest, AnUnknownNameIsAnErrorWithItsPathAndTheKnownOnes) {
  const auto verifier = MakeVerifier("taste", "stage[2].grpo.reward[0].verifier");
  EXPECT_EQ(verifier.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(verifier.status().message(),
            "stage[2].grpo.reward[0].verifier: found \"taste\", expected one of accuracy, format, "
            "language, math, chain_sum");
}

TEST(VerifierRegistryTest, ProblemsNameRulesThatCompareAnswers) {
  EXPECT_THAT(AnswerVerifiers(), ::testing::ElementsAre("math", "chain_sum"));
}

TEST(VerifierRegistryTest, EveryTasksProblemsNameSuchARule) {
  const std::vector<std::string> known = AnswerVerifiers();
  for (const TaskKind* kind : TaskKinds()) {
    TaskConfig config;
    config.set_name(kind->name);
    const std::string verifier =
        MakeTask(config, 1).value()->MakeProblem(Split::kTrain, 0).verifier;
    EXPECT_THAT(known, ::testing::Contains(verifier)) << kind->name;
  }
}

// What a task's or a line's verifier says is what the accuracy verifier says.
TEST(VerifierRegistryTest, AccuracyKnowsEveryRule) {
  const auto accuracy = MakeVerifier("accuracy").value();
  for (const std::string& rule : AnswerVerifiers()) {
    const Problem problem{.answer = "7", .verifier = rule};
    EXPECT_EQ(accuracy->Verify(problem, "<answer>7</answer>").verdict, Verdict::kRight) << rule;
    EXPECT_EQ(accuracy->Verify(problem, "<answer>8</answer>").verdict, Verdict::kWrong) << rule;
  }
}

TEST(VerifierRegistryTest, AGoldAnswerMustBeReadableByItsRule) {
  for (const char* gold : {"42", "\\frac{1}{2}", "even", "3 + 5 = 8\n#### 8"}) {
    EXPECT_TRUE(*IsGoldUnderstood("math", gold)) << gold;
  }
  EXPECT_TRUE(*IsGoldUnderstood("chain_sum", "42"));
  for (const char* gold : {"\\frac{1}{", "The total is 8", "so 3 #### abc"}) {
    EXPECT_FALSE(*IsGoldUnderstood("math", gold)) << gold;
  }
  EXPECT_EQ(IsGoldUnderstood("math", " ").status().message(),
            "found the answer \" \", expected one that the verifier math can read");
  EXPECT_EQ(IsGoldUnderstood("chain_sum", "forty\ntwo").status().message(),
            "found the answer \"forty\\ntwo\", expected one that the verifier chain_sum can read");
}

TEST(VerifierRegistryTest, TheDocumentNamesEveryTaskAndVerifier) {
  std::ifstream file(DEDUCE_SOURCE_DIR "/docs/rl.md");
  const std::string document((std::istreambuf_iterator<char>(file)), {});
  for (const TaskKind* kind : TaskKinds()) {
    EXPECT_THAT(document, ::testing::HasSubstr("`" + std::string(kind->name) + "`"));
  }
  for (const VerifierKind& kind : VerifierKinds()) {
    EXPECT_THAT(document, ::testing::HasSubstr("`" + std::string(kind.name) + "`"));
  }
}

}  // namespace
}  // namespace deduce
