#include "rl/run/validate_run.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "configs/config.h"
#include "configs/parse_text.h"

namespace deduce {
namespace {

constexpr char kRun[] = R"(
  name: "tiny" tokenizer: "t.json"
  model { vocab_size: 64 hidden_size: 48 intermediate_size: 96 num_hidden_layers: 3 num_attention_heads: 4 }
  stage { name: "base" pretrain { } steps: 10 data { task { name: "chain_sum" } } }
  stage { name: "rl" steps: 5 data { task { name: "chain_sum" } } evaluate { }
          grpo { reward { verifier: "accuracy" } } }
)";

RunConfig Parse(const std::string& text) {
  const auto config = ParseConfigText(text, "test");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : RunConfig();
}

// The error of the run with the first `from` replaced by `to`.
std::string ErrorWith(const std::string& from, const std::string& to) {
  std::string text = kRun;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  const absl::Status status = ValidateRun(Parse(text.replace(at, from.size(), to)));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << to;
  return std::string(status.message());
}

TEST(ValidateRunTest, RecipesOfTheTreeAreSound) {
  int count = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(DEDUCE_SOURCE_DIR "/configs/recipes")) {
    if (file.path().extension() != ".textproto") continue;
    ++count;
    absl::StatusOr<RunConfig> config = LoadConfig(file.path(), {});
    ASSERT_TRUE(config.ok()) << config.status();
    if (config->model().has_hugging_face()) {  // a shape of some folder
      const bool shortened = config->model().has_max_position_embeddings();
      const int64_t positions = shortened ? config->model().max_position_embeddings() : 32768;
      *config->mutable_model() = Parse(kRun).model();
      config->mutable_model()->set_max_position_embeddings(positions);
      config->set_tokenizer("t.json");
    }
    const absl::Status status = ValidateRun(*config);
    EXPECT_TRUE(status.ok()) << file.path() << ": " << status;
  }
  EXPECT_GE(count, 5);
}

TEST(ValidateRunTest, SoundRunsPassWithAndWithoutDefaultsWrittenOut) {
  EXPECT_EQ(ValidateRun(Parse(kRun)), absl::OkStatus());
  EXPECT_EQ(ValidateRun(WithDefaults(Parse(kRun))), absl::OkStatus());
}

TEST(ValidateRunTest, RulesOfTheConfigComeFirst) {
  EXPECT_EQ(ErrorWith("steps: 10", "steps: 0"),
            "stage[0].steps: found 0, expected a number in [1, 4294967295]");
}

TEST(ValidateRunTest, TasksAreCheckedWhereverTheyAreNamed) {
  EXPECT_EQ(ErrorWith("chain_sum", "chain_product"),
            "stage[0].data.task.name: found \"chain_product\", expected one of chain_sum, "
            "arithmetic");
  EXPECT_EQ(ErrorWith("\"chain_sum\"", "\"chain_sum\" min_terms: 4"),
            "stage[0].data.task.max_terms: found 3, expected 4 to 100");
  EXPECT_EQ(ErrorWith("\"chain_sum\"", "\"chain_sum\" mix_rate: 1.5"),
            "stage[0].data.task.mix_rate: found 1.5, expected 0 to 1");
  EXPECT_EQ(ErrorWith("evaluate { }", "evaluate { task { name: \"x\" } }"),
            "stage[1].evaluate.task.name: found \"x\", expected one of chain_sum, arithmetic");
}

TEST(ValidateRunTest, RewardsAreChecked) {
  EXPECT_EQ(ErrorWith("reward { verifier: \"accuracy\" }", ""),
            "stage[1].grpo.reward: found none, expected at least one");
  EXPECT_EQ(
      ErrorWith("\"accuracy\"", "\"acuracy\""),
      "stage[1].grpo.reward[0].verifier: found \"acuracy\", expected one of accuracy, format, "
      "language, math, chain_sum");
  EXPECT_EQ(ErrorWith("grpo { ", "grpo { reward { verifier: \"accuracy\" weight: 2 } "),
            "stage[1].grpo.reward[1].verifier: found \"accuracy\" again, expected each once");
}

TEST(ValidateRunTest, TheVerifierOfRowsIsOneThatComparesAnswers) {
  const std::string file = "data { path: \"d.jsonl\" verifier: \"maths\" }";
  EXPECT_EQ(ErrorWith("data { task { name: \"chain_sum\" } }", file),
            "stage[0].data.verifier: found \"maths\", expected one of math, chain_sum");
}

}  // namespace
}  // namespace deduce
