#include "rl/algorithm/rollout_table.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/rl/report/run_directory.h"
#include "tests/rl/tiny_rollouts.h"

namespace deduce {
namespace {

// Two groups of two; the second's prompt and completion are hard to write as JSON, and its first
// sample cannot be graded.
GrpoResult Result() {
  GrpoResult result;
  result.prompts = {{.problem = {"1+2=?", "3", "chain_sum", "ascii"}, .tokens = {1, 9}},
                    {.problem = {"\"\\\n\u4e00", "x", "math", ""}, .tokens = {1, 10}}};
  result.samples = {MakeSample(0, {6, 2}, 1), MakeSample(1, {7, 9}, 0, true),
                    MakeSample(2, {63, 2}, 0), MakeSample(3, {2}, 0)};
  result.samples[2].text = "\u4e00\"\n</script>";
  result.samples[2].scored.unscorable = true;
  result.advantages = {0.5, -0.5, 0, 0};
  return result;
}

std::vector<nlohmann::json> WriteAndRead(const RunDirectory& run) {
  const std::string path = run.file("rollouts/rl/7.jsonl");
  const absl::Status status = WriteRolloutTable(path, 7, Result(), 2, *TinyTokenizer());
  EXPECT_TRUE(status.ok()) << status;
  std::istringstream text(ReadWhole(path));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

TEST(RolloutTableTest, EveryLineHasEveryField) {
  const RunDirectory run;
  const auto lines = WriteAndRead(run);
  ASSERT_EQ(lines.size(), 4U);
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i]["step"], 7);
    EXPECT_EQ(lines[i]["sample"], i);
    EXPECT_EQ(lines[i]["group"], i / 2);
    for (const char* field : {"prompt", "answer", "language", "completion", "tokens", "logprobs",
                              "rewards", "reward", "advantage", "verdict", "truncated"}) {
      EXPECT_TRUE(lines[i].contains(field)) << field;
    }
    EXPECT_EQ(lines[i]["tokens"].size(), lines[i]["logprobs"].size());
  }
}

TEST(RolloutTableTest, ALineSaysWhatTheSampleIs) {
  const RunDirectory run;
  const auto lines = WriteAndRead(run);
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0]["prompt"], "1+2=?");
  EXPECT_EQ(lines[0]["answer"], "3");
  EXPECT_EQ(lines[0]["tokens"], nlohmann::json({"<answer>", "<|end|>"}));
  EXPECT_EQ(lines[0]["rewards"], nlohmann::json({{"accuracy", 1.0}}));
  EXPECT_EQ(lines[0]["advantage"], 0.5);
  EXPECT_EQ(lines[0]["verdict"], "right");
  EXPECT_EQ(lines[0]["truncated"], false);
  EXPECT_EQ(lines[1]["verdict"], "wrong");
  EXPECT_EQ(lines[1]["truncated"], true);
  EXPECT_EQ(lines[2]["verdict"], "unscorable");
  EXPECT_EQ(lines[2]["prompt"], "\"\\\n\u4e00");
  EXPECT_EQ(lines[2]["completion"], "\u4e00\"\n</script>");
  EXPECT_EQ(lines[2]["tokens"][0], "\uFFFD");  // an id the tokenizer does not have
}

TEST(RolloutTableTest, AStepThatIsRepeatedReplacesItsTable) {
  const RunDirectory run;
  WriteAndRead(run);
  EXPECT_EQ(WriteAndRead(run).size(), 4U);
}

TEST(RolloutTableTest, APathThatCannotBeWrittenIsNamed) {
  const RunDirectory run;
  const std::string path = run.Write("file", "x") + "/7.jsonl";
  const absl::Status status = WriteRolloutTable(path, 7, Result(), 2, *TinyTokenizer());
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(std::string(status.message()).rfind(path + ": found ", 0), 0U) << status;
}

}  // namespace
}  // namespace deduce
