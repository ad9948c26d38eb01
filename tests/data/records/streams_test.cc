#include "data/records/streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/data/temporary_file.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<const Tokenizer> Tiny() {
  return std::make_shared<const Tokenizer>(
      *Tokenizer::Load(DEDUCE_SOURCE_DIR "/configs/recipes/tiny_tokenizer.json"));
}

DataConfig TaskData(int64_t num_samples = 0) {
  DataConfig config;
  config.mutable_task()->set_name("chain_sum");
  config.mutable_task()->set_step_error_rate(0.2);
  config.set_num_samples(num_samples);
  return config;
}

DataConfig FileData(const TemporaryFile& file) {
  DataConfig config;
  config.set_path(file.path());
  return config;
}

SampleStream Samples(const DataConfig& config, uint64_t seed = 1) {
  auto stream = SampleStream::Create(config, seed, Tiny(), 200);
  EXPECT_TRUE(stream.ok()) << stream.status();
  return *std::move(stream);
}

PromptStream Prompts(const DataConfig& config, uint64_t seed = 1) {
  auto stream = PromptStream::Create(config, seed, Tiny(), 100);
  EXPECT_TRUE(stream.ok()) << stream.status();
  return *std::move(stream);
}

// Ten lines `i+i=?`, or problems of the same form.
std::string TenLines() {
  std::string text;
  for (int i = 0; i < 10; ++i) {
    const std::string digit = std::to_string(i);
    text += "{\"prompt\": \"" + digit + "+" + digit + "=?\", \"completion\": \"" + digit +
            "\", \"answer\": \"" + std::to_string(2 * i) + "\", \"verifier\": \"chain_sum\"}\n";
  }
  return text;
}

TEST(SampleStreamTest, ASampleIsBeginPromptCompletionEnd) {
  const TemporaryFile file("one.jsonl", "{\"prompt\": \"1+2=?\", \"completion\": \"3\"}");
  const TokenSample sample = *Samples(FileData(file)).Sample(0);
  const auto tokenizer = Tiny();
  EXPECT_EQ(tokenizer->Decode(sample.tokens), "<|begin|>1+2=?3<|end|>");
  EXPECT_EQ(sample.tokens.front(), tokenizer->bos_id());
  EXPECT_EQ(sample.tokens.back(), tokenizer->eos_id());
  EXPECT_EQ(sample.prompt_length, 6);
}

TEST(SampleStreamTest, SamplesDependOnSeedAndIndexAlone) {
  const SampleStream one = Samples(TaskData(7)), again = Samples(TaskData(7));
  const SampleStream other = Samples(TaskData(7), 2);
  int equal = 0;
  for (int n = 39; n >= 0; --n) {
    const auto tokens = one.Sample(n)->tokens;
    EXPECT_EQ(tokens, one.Sample(n)->tokens);
    EXPECT_EQ(tokens, again.Sample(n)->tokens);
    equal += tokens == other.Sample(n)->tokens;
  }
  EXPECT_LT(equal, 10);
}

TEST(SampleStreamTest, EpochsShowEverySampleOnceInOrdersOfTheirOwn) {
  const TemporaryFile file("ten.jsonl", TenLines());
  for (const DataConfig& config : {FileData(file), TaskData(10)}) {
    const SampleStream stream = Samples(config);
    ASSERT_EQ(stream.size(), 10);
    std::vector<std::vector<std::vector<int32_t>>> epochs(3);
    for (uint64_t n = 0; n < 30; ++n) epochs[n / 10].push_back(stream.Sample(n)->tokens);
    EXPECT_NE(epochs[0], epochs[1]);
    EXPECT_NE(epochs[1], epochs[2]);
    EXPECT_THAT(epochs[1], ::testing::UnorderedElementsAreArray(epochs[0]));
    EXPECT_THAT(epochs[2], ::testing::UnorderedElementsAreArray(epochs[0]));
  }
}

TEST(SampleStreamTest, ATaskWithoutNumSamplesHasNoEnd) {
  const SampleStream stream = Samples(TaskData());
  EXPECT_EQ(stream.size(), 0);
  std::set<std::vector<int32_t>> distinct;
  for (uint64_t n = 0; n < 300; ++n) distinct.insert(stream.Sample(n)->tokens);
  EXPECT_GT(distinct.size(), 290u);  // 300 draws of 1.4 million sums
}

TEST(SampleStreamTest, TooLongLinesAreRefusedWithLineAndLength) {
  const TemporaryFile file("long.jsonl",
                           "{\"text\": \"1\"}\n{\"text\": \"" + std::string(100000, '1') + "\"}\n");
  const auto stream = SampleStream::Create(FileData(file), 1, Tiny(), 64);
  EXPECT_EQ(stream.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(stream.status().message()),
              HasSubstr("long.jsonl:2: found 100002 tokens, expected at most 64"));
}

TEST(SampleStreamTest, TheLimitIsInclusive) {
  const TemporaryFile file("limit.jsonl", "{\"prompt\": \"12\", \"completion\": \"3\"}\n");
  EXPECT_TRUE(SampleStream::Create(FileData(file), 1, Tiny(), 5).ok());
  EXPECT_FALSE(SampleStream::Create(FileData(file), 1, Tiny(), 4).ok());
}

TEST(SampleStreamTest, ATaskThatCouldBeTooLongIsRefusedBeforeWork) {
  const auto stream = SampleStream::Create(TaskData(), 1, Tiny(), 30, "stage[0].data");
  EXPECT_EQ(stream.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(stream.status().message()), HasSubstr("stage[0].data.task: found "));
  EXPECT_THAT(std::string(stream.status().message()), HasSubstr(" tokens, expected at most 30"));
}

TEST(SampleStreamTest, ABadLineAnywhereIsFoundAtCreation) {
  const TemporaryFile file("bad.jsonl", TenLines() + "{\"prompt\": 1}\n");
  const auto stream = SampleStream::Create(FileData(file), 1, Tiny(), 64);
  EXPECT_THAT(std::string(stream.status().message()), HasSubstr("bad.jsonl:11: found"));
}

TEST(PromptStreamTest, APromptIsBeginAndProblem) {
  const PromptStream stream = Prompts(TaskData());
  const auto tokenizer = Tiny();
  for (uint64_t n = 0; n < 20; ++n) {
    const Prompt prompt = *stream.Get(Split::kTrain, n);
    EXPECT_EQ(tokenizer->Decode(prompt.tokens), "<|begin|>" + prompt.problem.prompt);
    EXPECT_EQ(prompt.tokens, stream.Get(Split::kTrain, n)->tokens);
  }
}

TEST(PromptStreamTest, HeldOutPromptsNeverOccurInTraining) {
  const PromptStream stream = Prompts(TaskData());
  std::set<std::string> train;
  for (uint64_t n = 0; n < 2000; ++n) train.insert(stream.Get(Split::kTrain, n)->problem.prompt);
  for (uint64_t n = 0; n < 2000; ++n) {
    EXPECT_EQ(train.count(stream.Get(Split::kHeldOut, n)->problem.prompt), 0u);
  }
}

TEST(PromptStreamTest, NumSamplesBoundsTrainingButNotHeldOutProblems) {
  const PromptStream stream = Prompts(TaskData(5));
  std::map<std::string, int> train;
  std::set<std::string> held_out;
  for (uint64_t n = 0; n < 20; ++n) {
    ++train[stream.Get(Split::kTrain, n)->problem.prompt];
    held_out.insert(stream.Get(Split::kHeldOut, n)->problem.prompt);
  }
  EXPECT_EQ(train.size(), 5u);
  for (const auto& [prompt, count] : train) EXPECT_EQ(count, 4) << prompt;
  EXPECT_GT(held_out.size(), 15u);
}

TEST(PromptStreamTest, FilesHaveEpochsAndNoHeldOutProblems) {
  const TemporaryFile file("ten.jsonl", TenLines());
  const PromptStream stream = Prompts(FileData(file));
  std::set<std::string> seen;
  for (uint64_t n = 10; n < 20; ++n) seen.insert(stream.Get(Split::kTrain, n)->problem.answer);
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_EQ(stream.Get(Split::kHeldOut, 0).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(PromptStreamTest, TooLongPromptsAreRefusedAtCreation) {
  EXPECT_THAT(std::string(PromptStream::Create(TaskData(), 1, Tiny(), 10).status().message()),
              HasSubstr("data.task: found 11 tokens, expected at most 10"));
  EXPECT_TRUE(PromptStream::Create(TaskData(), 1, Tiny(), 11).ok());
  const TemporaryFile file("ten.jsonl", TenLines());
  EXPECT_THAT(std::string(PromptStream::Create(FileData(file), 1, Tiny(), 5).status().message()),
              HasSubstr("ten.jsonl:1: found 6 tokens, expected at most 5"));
}

TEST(PromptStreamTest, ALineWithAnUnknownVerifierIsRefusedByItsNumber) {
  const std::string line = "{\"prompt\": \"1\", \"answer\": \"1\", \"verifier\": ";
  const TemporaryFile file("names.jsonl", line + "\"math\"}\n" + line + "\"mth\"}\n");
  const auto create = [&](const std::vector<std::string>& verifiers) {
    return PromptStream::Create(FileData(file), 1, Tiny(), 64, "data", verifiers).status();
  };
  EXPECT_THAT(std::string(create({"math", "chain_sum"}).message()),
              HasSubstr("names.jsonl:2: found \"mth\" in field \"verifier\", expected one of math, "
                        "chain_sum"));
  EXPECT_EQ(create({"math", "mth"}), absl::OkStatus());
}

// Ten good rows, one of 41 tokens and one without an answer or a completion.
std::string TwelveLines() {
  return TenLines() + "{\"prompt\": \"" + std::string(40, '1') +
         "\", \"completion\": \"1\", \"answer\": \"1\", \"verifier\": \"math\"}\n{\"prompt\": 1}\n";
}

DataConfig Dropping(const TemporaryFile& file) {
  DataConfig config = FileData(file);
  config.set_drop_too_long(true);
  config.set_drop_bad_rows(true);
  return config;
}

TEST(SampleStreamTest, RowsThatCannotBeUsedAreLeftOutAndCountedOnRequest) {
  const TemporaryFile file("twelve.jsonl", TwelveLines()), ten("ten.jsonl", TenLines());
  const auto stream = SampleStream::Create(Dropping(file), 1, Tiny(), 20);
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(stream->size(), 10);
  EXPECT_EQ(stream->report().num_rows, 12);
  EXPECT_EQ(stream->report().NumTooLong(), 1);
  EXPECT_EQ(stream->report().NumBad(), 1);
  const SampleStream good = Samples(FileData(ten));
  for (uint64_t n = 0; n < 20; ++n)
    EXPECT_EQ(stream->Sample(n)->tokens, good.Sample(n)->tokens) << n;
}

TEST(PromptStreamTest, RowsThatCannotBeUsedAreLeftOutAndCountedOnRequest) {
  const TemporaryFile file("twelve.jsonl", TwelveLines());
  const auto stream = PromptStream::Create(Dropping(file), 1, Tiny(), 20);
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(stream->size(), 10);
  ASSERT_NE(stream->problems(), nullptr);
  EXPECT_THAT(stream->problems()->back().problem.where, ::testing::EndsWith("twelve.jsonl:10"));
  EXPECT_THAT(stream->report().Text(), HasSubstr("twelve.jsonl:11: found 41 tokens"));
}

TEST(PromptStreamTest, WhatAnotherStreamLeftOutIsLeftOutToo) {
  const TemporaryFile file("twelve.jsonl", TwelveLines());
  const auto strict = PromptStream::Create(Dropping(file), 1, Tiny(), 20);
  const auto other =
      PromptStream::Create(Dropping(file), 1, Tiny(), 100, "data", {}, strict->report());
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->size(), 10);
  for (uint64_t n = 0; n < 20; ++n) {
    EXPECT_EQ(other->Get(Split::kTrain, n)->problem.where,
              strict->Get(Split::kTrain, n)->problem.where);
  }
}

TEST(PromptStreamTest, AMistakeOfTheConfigIsNoBadRow) {
  const TemporaryFile file("ten.jsonl", TenLines());
  DataConfig config = Dropping(file);
  config.set_system("S");
  const auto chat = std::make_shared<const Tokenizer>(
      *Tokenizer::FromJson(Tiny()->json(), "tok.json", "", *ChatTemplate::Parse("x", "test")));
  EXPECT_THAT(std::string(PromptStream::Create(config, 1, chat, 20).status().message()),
              HasSubstr("ten.jsonl:1: found a prompt that is a text, expected messages"));
}

}  // namespace
}  // namespace deduce
