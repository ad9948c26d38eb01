#include "rl/commands/score_command.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "configs/exit_code.h"

namespace deduce {
namespace {

struct Outcome {
  std::string lines;
  absl::Status status;
};

// Scores a file called `name` that holds `text`.
Outcome Score(const std::string& verifier, const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + name;
  std::ofstream(path) << text;
  const CommandSpec spec{
      .name = "score",
      .flags = {{"verifier", Flag::kText, "", true}, {"input", Flag::kText, "", true}}};
  const auto arguments = ParseArguments(spec, {"--verifier=" + verifier, "--input=" + path});
  std::ostringstream out;
  const absl::Status status = ScoreCommand(*arguments, out);
  std::filesystem::remove(path);
  return {out.str(), status};
}

TEST(ScoreCommandTest, TabbedLinesGetAWordEach) {
  const Outcome outcome =
      Score("math", "score.tsv",
            "42\t<answer>42</answer>\n1/2\t\\boxed{0.5}\n1/2\tThe answer is 0.25.\n\tanything\n");
  EXPECT_EQ(outcome.lines, "right\nright\nwrong\nunscorable\n");
  EXPECT_TRUE(outcome.status.ok());
}

TEST(ScoreCommandTest, ABareAnswerIsTakenByRulesThatReadTags) {
  EXPECT_EQ(Score("chain_sum", "score.tsv", "42\t42\n42\t<answer>42</answer>\n42\t43\n").lines,
            "right\nright\nwrong\n");
}

TEST(ScoreCommandTest, JsonLinesAreGradedAsTrainingGradesCompletions) {
  const Outcome outcome = Score(
      "chain_sum", "score.jsonl",
      "{\"answer\": \"42\", \"completion\": \"<think></think><answer>42</answer>\", \"step\": 1}\n"
      "{\"answer\": 42, \"completion\": \"42\"}\n{\"answer\": \"x\", \"completion\": \"42\"}\n");
  EXPECT_EQ(outcome.lines,
            "{\"verdict\":\"right\"}\n{\"verdict\":\"wrong\",\"reason\":\"no_answer\"}\n"
            "{\"verdict\":\"unscorable\",\"reason\":\"unreadable_gold\"}\n");
  EXPECT_TRUE(outcome.status.ok());
}

TEST(ScoreCommandTest, WhatIsNoSuchLineIsAnErrorWithItsPlace) {
  const auto message = [](const Outcome& outcome) {
    EXPECT_EQ(ExitCodeOf(outcome.status), static_cast<int>(ExitCode::kBadData));
    const std::string text(outcome.status.message());
    return text.substr(text.rfind('/') + 1);
  };
  EXPECT_EQ(message(Score("math", "score.tsv", "1\t1\nno tab\n")),
            "score.tsv:2: found no tab, expected gold<TAB>answer");
  EXPECT_EQ(message(Score("math", "score.jsonl", "{\"answer\": \"1\"")),
            "score.jsonl:1: found text that is not JSON at byte 15 (syntax error while parsing "
            "object - unexpected end of input; expected '}'), expected {\"answer\": \"...\", "
            "\"completion\": \"...\"}");
  EXPECT_EQ(message(Score("math", "score.jsonl", "{\"answer\": \"1\"}\n")),
            "score.jsonl:1: found no field \"completion\", expected {\"answer\": \"...\", "
            "\"completion\": \"...\"}");
}

TEST(ScoreCommandTest, AnUnknownVerifierIsABadFlag) {
  const Outcome outcome = Score("maths", "score.tsv", "");
  EXPECT_EQ(outcome.status.message(), "--verifier: found \"maths\", expected math or chain_sum");
  EXPECT_EQ(ExitCodeOf(outcome.status), static_cast<int>(ExitCode::kBadConfig));
}

}  // namespace
}  // namespace deduce
