#include "rl/run/stage_inputs.h"

#include <gtest/gtest.h>

#include "configs/exit_code.h"
#include "tests/rl/run/tiny_run.h"
#include "tests/trainer/tiny_training.h"

namespace deduce {
namespace {

class StageInputsTest : public ::testing::Test {
 protected:
  StageInputsTest() : config_(TinyRun(root_.path())), tokenizer_(TinyTokenizer()) {}

  std::vector<Artifact> Read() {
    absl::StatusOr<std::vector<Artifact>> inputs = ReadStageInputs(config_, 0, *tokenizer_);
    EXPECT_TRUE(inputs.ok()) << inputs.status();
    return inputs.ok() ? *inputs : std::vector<Artifact>();
  }

  // Compares with a run that was made from `before`.
  absl::Status Check(const std::vector<Artifact>& before) {
    return CheckInputs("CHECKPOINT", before, Read());
  }

  RunDirectory root_;
  RunConfig config_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_F(StageInputsTest, GoThroughACheckpointsState) {
  const std::vector<Artifact> inputs = Read();
  const std::vector<Artifact> again =
      InputsOfState(nlohmann::json::parse(nlohmann::json{{"inputs", ToJson(inputs)}}.dump()));
  ASSERT_EQ(again.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    EXPECT_EQ(again[i].type, inputs[i].type);
    EXPECT_EQ(again[i].name, inputs[i].name);
    EXPECT_EQ(again[i].hash, inputs[i].hash);
  }
}

TEST_F(StageInputsTest, AreNoneWhereAStateHasNone) {
  EXPECT_TRUE(InputsOfState({{"step", 3}}).empty());
  EXPECT_TRUE(InputsOfState({{"inputs", "text"}}).empty());
  EXPECT_TRUE(Check({}).ok());
}

TEST_F(StageInputsTest, AnotherDataFileIsNamed) {
  const std::string path = root_.Write("data.jsonl", "{}\n");
  config_.mutable_stage(0)->mutable_data()->set_path(path);
  const std::vector<Artifact> before = Read();
  EXPECT_TRUE(Check(before).ok());
  root_.Write("data.jsonl", "{ }\n");
  const absl::Status status = Check(before);
  EXPECT_EQ(ExitCodeOf(status), static_cast<int>(ExitCode::kBadData));
  EXPECT_EQ(status.message(), path + ": found content of hash " + Read()[0].hash + ", expected " +
                                  before[0].hash + ", which CHECKPOINT was made from");
}

TEST_F(StageInputsTest, TheSameDataMayLieElsewhere) {
  config_.mutable_stage(0)->mutable_data()->set_path(root_.Write("a.jsonl", "{}\n"));
  const std::vector<Artifact> before = Read();
  config_.mutable_stage(0)->mutable_data()->set_path(root_.Write("b.jsonl", "{}\n"));
  EXPECT_TRUE(Check(before).ok());
}

TEST_F(StageInputsTest, AnotherTaskIsNamed) {
  const std::vector<Artifact> before = Read();
  config_.mutable_stage(0)->mutable_data()->mutable_task()->set_mix_rate(0.5);
  EXPECT_EQ(Check(before).message().substr(0, 11), "chain_sum: ");
}

TEST_F(StageInputsTest, AnotherChatTemplateIsNamed) {
  const std::vector<Artifact> before = Read();
  tokenizer_ = std::make_shared<const Tokenizer>(*Tokenizer::FromJson(
      tokenizer_->json(), "t", "", *ChatTemplate::Parse("{{ messages }}", "t.jinja", {})));
  EXPECT_EQ(Check(before).message().substr(0, 28), "t.json (its chat template): ");
}

TEST_F(StageInputsTest, AnotherTokenizerIsNamed) {
  const std::vector<Artifact> before = Read();
  const auto with = [&](const std::string& json, const std::string& config_json) {
    tokenizer_ = std::make_shared<const Tokenizer>(*Tokenizer::FromJson(json, "t", config_json));
    return std::string(Check(before).message());
  };
  const std::string json = tokenizer_->json();
  EXPECT_EQ(with(json + " ", "").substr(0, 8), "t.json: ");
  EXPECT_EQ(with(json, R"({"eos_token": "<|end|>"})").substr(0, 35),
            "t.json (its tokenizer_config.json):");
}

TEST_F(StageInputsTest, AnotherHeldOutFileIsAChangeAndNoError) {
  const std::string path = root_.Write("held.jsonl", "{}\n");
  config_.mutable_stage(0)->mutable_evaluate()->set_path(path);
  const std::vector<Artifact> before = Read();
  EXPECT_FALSE(EvaluationChange(config_, 0, 4, before, Read()).has_value());
  root_.Write("held.jsonl", "{ }\n");
  EXPECT_TRUE(Check(before).ok());
  const std::optional<ConfigChange> change = EvaluationChange(config_, 0, 4, before, Read());
  ASSERT_TRUE(change.has_value());
  EXPECT_EQ(change->field, "stage[0].evaluate.path (its content)");
  EXPECT_NE(change->from, change->to);
  EXPECT_EQ(change->stage, "base");
  EXPECT_EQ(change->step, 4);
}

TEST_F(StageInputsTest, ALaterCheckpointHoldsTheHeldOutFileOfItsOwnTime) {
  config_.mutable_stage(0)->mutable_evaluate()->set_path(root_.Write("held.jsonl", "{}\n"));
  const nlohmann::json state = {{"inputs", ToJson(Read())}};
  root_.Write("held.jsonl", "{ }\n");
  const std::vector<Artifact> now = Read();
  const std::vector<Artifact> later = InputsOfState({{"inputs", WithEvaluationOf(now, state)}});
  EXPECT_EQ(later.size(), now.size());
  EXPECT_FALSE(EvaluationChange(config_, 0, 6, later, now).has_value());
}

}  // namespace
}  // namespace deduce
