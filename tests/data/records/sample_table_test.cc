#include "data/records/sample_table.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/data/temporary_file.h"

namespace deduce {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::Pair;

Sample ParseSample(const std::string& text) {
  Sample sample;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &sample));
  return sample;
}

// Every field, with text that is hard to write as JSON and numbers that are hard to write in
// decimals; then a sample that could not be graded.
SampleTable Table() {
  SampleTable table;
  *table.add_sample() = ParseSample(R"pb(
    step: 7
    sample: 4
    group: 2
    prompt: "1+2=?"
    answer: "3"
    language: "ascii"
    completion: "\344\270\200\"\n</script>"
    token_texts: [ "<answer>", "<|end|>" ]
    sampler_log_probs: [ -0.1, -1.17549435e-38 ]
    rewards { key: "format" value: 0.1 }
    rewards { key: "accuracy" value: 1 }
    reward: 1.1
    advantage: -0.33333333333333331
    verdict: right
    reason: "equal"
    status: truncated
    prompt_id: 9007199254740993
    policy_version: 3
    prompt_tokens: [ 1, 9 ]
    completion_tokens: [ 6, 2 ]
    verifier: "chain_sum"
    weight: 0.5
    mask: [ 1, 0 ])pb");
  *table.add_sample() = ParseSample(R"pb(
    sample: 5
    group: 9
    prompt: ""
    completion: ""
    sampler_log_probs: -0.5
    verdict: unscorable
    status: finished
    prompt_tokens: 1
    completion_tokens: 2)pb");
  return table;
}

TEST(SampleTableTest, EveryFieldOfTheExampleIsSet) {
  const Sample sample = Table().sample(0);
  const auto& type = *Sample::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const auto& field = *type.field(i);
    const auto& of = *sample.GetReflection();
    EXPECT_TRUE(field.is_repeated() ? of.FieldSize(sample, &field) > 0
                                    : of.HasField(sample, &field))
        << field.name();
  }
}

TEST(SampleTableTest, WhatIsWrittenIsReadBackToTheLastBit) {
  const TemporaryFile file("table.jsonl", "of an earlier attempt\n");
  ASSERT_TRUE(WriteSampleTable(file.path(), Table()).ok());
  const absl::StatusOr<SampleTable> read = ReadSampleTable(file.path());
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->sample_size(), 2);
  for (int i = 0; i < 2; ++i) {
    // As text, for the order of a map is not that of its bytes.
    EXPECT_EQ(read->sample(i).DebugString(), Table().sample(i).DebugString());
    EXPECT_EQ(read->sample(i).advantage(), Table().sample(i).advantage());
    EXPECT_EQ(read->sample(i).sampler_log_probs(0), Table().sample(i).sampler_log_probs(0));
  }
}

TEST(SampleTableTest, ALineHasTheDocumentedKeysFirstAndAllOthers) {
  std::vector<std::string> keys;
  const auto line = SampleToJson(Table().sample(0));
  for (const auto& [key, value] : line.items()) keys.push_back(key);
  EXPECT_THAT(
      keys, ElementsAre("step", "sample", "group", "prompt", "answer", "language", "completion",
                        "tokens", "logprobs", "rewards", "reward", "advantage", "verdict", "reason",
                        "status", "prompt_id", "policy_version", "prompt_tokens",
                        "completion_tokens", "verifier", "weight", "mask", "truncated"));
}

TEST(SampleTableTest, WhatIsNotKnownIsNull) {
  const auto line = SampleToJson(Table().sample(1));
  EXPECT_TRUE(line["reward"].is_null());
  EXPECT_EQ(line["rewards"], Json::object());
  EXPECT_EQ(line["mask"], Json::array());
  EXPECT_EQ(line["verdict"], "unscorable");
  EXPECT_EQ(line["truncated"], false);
}

TEST(SampleTableTest, ANullAmongNumbersIsNoNumber) {
  const auto sample = SampleFromJson("f:1", Json::parse(R"({"prompt": "p", "completion": "c",
      "verdict": "wrong", "logprobs": [null, -1], "rewards": {"format": null}, "reward": null})"));
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_TRUE(std::isnan(sample->sampler_log_probs(0)));
  EXPECT_TRUE(std::isnan(sample->rewards().at("format")));
  EXPECT_FALSE(sample->has_reward());
  EXPECT_TRUE(SampleToJson(*sample)["rewards"]["format"].is_null());
}

TEST(SampleTableTest, AWrongValueIsNamedWithItsPlace) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"prompt": 1})", "found prompt 1, expected a string"},
      {R"({"sample": 1.5})", "found sample 1.5, expected an integer of at least 0"},
      {R"({"prompt_id": 18446744073709551615})",
       "found prompt_id 18446744073709551615, expected an integer of at least 0"},
      {R"({"completion_tokens": [1, 2147483648]})",
       "found completion_tokens[1] 2147483648, expected an integer of at least 0"},
      {R"({"mask": 1})", "found mask 1, expected an array"},
      {R"({"reward": "high"})", "found reward \"high\", expected a number"},
      {R"({"rewards": {"format": "high"}})", "found rewards.format \"high\", expected a number"},
      {R"({"verdict": "maybe"})", "found verdict \"maybe\", expected right, wrong or unscorable"},
      {R"({"status": "late"})", "found status \"late\", expected finished or truncated"},
      {R"({"prompt": "p", "completion": "c"})",
       "found no verdict, expected right, wrong or unscorable"}};
  for (const auto& [line, message] : cases) {
    const absl::Status status = SampleFromJson("f.jsonl:3", Json::parse(line)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(status.message(), "f.jsonl:3: " + message);
  }
}

TEST(SampleTableTest, ALineThatCannotTrainIsNamed) {
  const std::vector<std::pair<std::string, std::string>> without = {
      {"sample", "found no sample, expected the index of a sample in its step"},
      {"group", "found no group, expected the index of a group in its step"},
      {"prompt_tokens", "found no prompt_tokens, expected ids of tokens"},
      {"completion_tokens", "found no completion_tokens, expected ids of tokens"},
      {"logprobs", "found no logprobs, expected one a token of the completion"}};
  for (const auto& [key, message] : without) {
    auto second = SampleToJson(Table().sample(1));
    second.erase(key);
    const TemporaryFile file("table.jsonl",
                             SampleToJson(Table().sample(0)).dump() + "\n" + second.dump() + "\n");
    EXPECT_EQ(ReadSampleTable(file.path()).status().message(), file.path() + ":2: " + message);
  }
}

TEST(SampleTableTest, SamplesOutOfOrderAreRefused) {
  const std::string line = SampleToJson(Table().sample(0)).dump() + "\n";
  const TemporaryFile file("table.jsonl", line + line);
  EXPECT_EQ(ReadSampleTable(file.path()).status().message(),
            file.path() + ":2: found sample 4, expected one above the line before, 4");
}

TEST(SampleTableTest, AFileWithoutLinesIsNoTable) {
  const TemporaryFile file("table.jsonl", "");
  EXPECT_EQ(ReadSampleTable(file.path()).status().message(),
            file.path() + ": found no line, expected samples");
}

TEST(SampleTableTest, APathThatCannotBeWrittenIsNamed) {
  const TemporaryFile file("file", "x");
  const std::string path = file.path() + "/7.jsonl";
  const absl::Status status = WriteSampleTable(path, Table());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(std::string(status.message()).rfind(path + ": found ", 0), 0U) << status;
}

TEST(SampleTableTest, GroupsAreFoundByTheirNumbers) {
  SampleTable table;
  for (const uint64_t group : {7, 3, 7}) table.add_sample()->set_group(group);
  EXPECT_THAT(SamplesByGroup(table),
              ElementsAre(Pair(3, ElementsAre(1)), Pair(7, ElementsAre(0, 2))));
}

TEST(SampleTableTest, TokensHaveTheTextsOfTheirIds) {
  const auto tokenizer =
      Tokenizer::Load(std::string(DEDUCE_SOURCE_DIR) + "/configs/recipes/tiny_tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  SampleTable table = Table();
  SetTokenTexts(*tokenizer, table);
  EXPECT_THAT(table.sample(0).token_texts(), ElementsAre("<answer>", "<|end|>"));
  table.mutable_sample(0)->set_completion_tokens(0, 63);  // an id the tokenizer does not have
  SetTokenTexts(*tokenizer, table);
  EXPECT_EQ(table.sample(0).token_texts(0), "\uFFFD");
}

}  // namespace
}  // namespace deduce
