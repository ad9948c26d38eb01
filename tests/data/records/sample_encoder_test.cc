#include "data/records/sample_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "nlohmann/json.hpp"
#include "tests/data/byte_level_tokenizer.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// The tiny tokenizer, a character a token, with a template of three of its characters around a
// message.
std::shared_ptr<const Tokenizer> Tiny() {
  const auto tiny = Tokenizer::Load(DEDUCE_SOURCE_DIR "/configs/recipes/tiny_tokenizer.json");
  auto chat = ChatTemplate::Parse(
      "{% for m in messages %}={{ m.content }};{% endfor %}"
      "{% if add_generation_prompt %}?{% endif %}",
      "test");
  return std::make_shared<const Tokenizer>(
      *Tokenizer::FromJson(tiny->json(), "tok.json", "", *std::move(chat)));
}

absl::StatusOr<SampleEncoder> Encoder(const std::string& prompt_template, bool chat = false,
                                      int64_t max_tokens = 100) {
  DataConfig config;
  config.set_prompt_template(prompt_template);
  config.set_chat(chat);
  return SampleEncoder::Create(config, Tiny(), max_tokens, "data");
}

std::string Text(const std::vector<int32_t>& tokens) { return Tiny()->Decode(tokens); }

TEST(SampleEncoderTest, TheTemplateIsPutAroundAPrompt) {
  const auto prompt = Encoder("1+1=2;{prompt}=?")->EncodePrompt({.prompt = "3+4"}, "here");
  ASSERT_TRUE(prompt.ok()) << prompt.status();
  EXPECT_EQ(prompt->problem.prompt, "1+1=2;3+4=?");
  EXPECT_EQ(Text(prompt->tokens), "<|begin|>1+1=2;3+4=?");
}

TEST(SampleEncoderTest, AChatIsWrittenByTheChatTemplateWithoutABeginToken) {
  const auto sample = Encoder("{prompt}+1", /*chat=*/true)->EncodeSample({"3+4", "8"}, "here");
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(Text(sample->tokens), "=3+4+1;?8<|end|>");
  EXPECT_EQ(sample->prompt_length, 8);
}

TEST(SampleEncoderTest, WholePromptsStayAsTheyAre) {
  const auto sample =
      Encoder("{prompt}+1", /*chat=*/true)->EncodeSample({"3+4", "8", true}, "here");
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(Text(sample->tokens), "3+48<|end|>");
}

TEST(SampleEncoderTest, TextsWithoutAPromptGetNone) {
  const auto sample = Encoder("1+{prompt}")->EncodeSample({"", "8"}, "here");
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(Text(sample->tokens), "<|begin|>8<|end|>");
}

TEST(SampleEncoderTest, AChatNeedsAChatTemplate) {
  DataConfig config;
  config.set_chat(true);
  const auto plain =
      std::make_shared<const Tokenizer>(*Tokenizer::FromJson(Tiny()->json(), "tok.json"));
  EXPECT_THAT(std::string(SampleEncoder::Create(config, plain, 100, "data").status().message()),
              HasSubstr("data.chat: found no chat template"));
}

TEST(SampleEncoderTest, AStopIsATextOfSomeToken) {
  DataConfig config;
  config.set_stop(";");
  const auto encoder = SampleEncoder::Create(config, Tiny(), 100, "data");
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  EXPECT_THAT(encoder->end_ids(/*chat=*/false),
              UnorderedElementsAre(Tiny()->eos_id(), *Tiny()->TokenId(";")));
  config.set_stop("1;");
  EXPECT_THAT(std::string(SampleEncoder::Create(config, Tiny(), 100, "data").status().message()),
              HasSubstr("data.stop: found \"1;\", expected"));
}

// As SmolLM2's and Qwen2's: no token begins a text.
SampleEncoder EncoderWithoutBegin() {
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::FromJson(
      Tiny()->json(), "tok.json", R"({"eos_token": "<|end|>", "add_bos_token": false})");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *SampleEncoder::Create(DataConfig(), std::make_shared<const Tokenizer>(*tokenizer), 100,
                                "data");
}

TEST(SampleEncoderTest, WithoutPromptAndBeginTokenTheFirstTokenIsThePrompt) {
  const auto sample = EncoderWithoutBegin().EncodeSample({"", "89"}, "here");
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(Text(sample->tokens), "89<|end|>");
  EXPECT_EQ(sample->prompt_length, 1);
}

TEST(SampleEncoderTest, WhatHasNoTokenToTrainOnOrToBeginWithIsRefused) {
  EXPECT_EQ(std::string(EncoderWithoutBegin().EncodeSample({"", ""}, "here:7").status().message()),
            "here:7: found 1 tokens, expected at least 2");
  EXPECT_EQ(
      std::string(EncoderWithoutBegin().EncodePrompt({.prompt = ""}, "here:7").status().message()),
      "here:7: found 0 tokens, expected at least 1");
}

TEST(SampleEncoderTest, WhatIsTooLongIsRefusedWithItsPlace) {
  const auto prompt = Encoder("{prompt}", false, 3)->EncodePrompt({.prompt = "3+4"}, "here:7");
  EXPECT_THAT(std::string(prompt.status().message()),
              HasSubstr("here:7: found 4 tokens, expected at most 3"));
}

DataConfig WithSystem(bool chat) {
  DataConfig config;
  config.set_chat(chat);
  config.set_system("1+1");
  return config;
}

TEST(SampleEncoderTest, ASystemMessageIsPutBeforePromptsOfAChat) {
  const auto encoder = SampleEncoder::Create(WithSystem(true), Tiny(), 100, "data");
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  EXPECT_EQ(Text(encoder->EncodePrompt({.prompt = "3+4"}, "here")->tokens), "=1+1;=3+4;?");
}

TEST(SampleEncoderTest, ASystemMessageWithoutAChatIsAMistakeOfTheConfig) {
  const auto encoder = SampleEncoder::Create(WithSystem(false), Tiny(), 100, "data");
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const absl::Status status = encoder->EncodePrompt({.prompt = "3+4"}, "here:7").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("here:7: found a prompt that is a text, expected messages, or data.chat"));
  EXPECT_TRUE(encoder->EncodePrompt({.prompt = "3+4", .whole_prompt = true}, "here").ok());
  const auto plain =
      std::make_shared<const Tokenizer>(*Tokenizer::FromJson(Tiny()->json(), "tok.json"));
  EXPECT_THAT(
      std::string(SampleEncoder::Create(WithSystem(false), plain, 100, "data").status().message()),
      HasSubstr("data.system: found no chat template"));
}

TEST(SampleEncoderTest, LearnedPartsOfAConversationBecomeLearnedTokensOfTheWholeText) {
  const auto tokenizer = ByteLevelTokenizer();
  const nlohmann::ordered_json messages = nlohmann::ordered_json::parse(
      R"([{"role": "user", "content": "q"}, {"role": "assistant", "content": "\nab"},
          {"role": "user", "content": "r"}, {"role": "assistant", "content": "cd"}])");
  const auto text = ChatTurns(messages, /*every_turn=*/true, ChatMl());
  ASSERT_TRUE(text.ok()) << text.status();
  const auto sample =
      SampleEncoder::Create(DataConfig(), tokenizer, 100, "data")->EncodeSample(*text, "here");
  ASSERT_TRUE(sample.ok()) << sample.status();
  // As the tokenizer cuts the conversation, not its pieces: the line feed that ends the header and
  // the one that begins the answer are one token.
  const std::string whole =
      "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n\nab<|im_end|>\n"
      "<|im_start|>user\nr<|im_end|>\n<|im_start|>assistant\ncd<|im_end|>";
  EXPECT_EQ(sample->tokens, *tokenizer->Encode(whole));
  std::string learned;
  for (size_t i = 0; i < sample->tokens.size(); ++i) {
    if (sample->learned[i] == 1) learned += "(" + tokenizer->Decode({&sample->tokens[i], 1}) + ")";
  }
  EXPECT_EQ(learned, "(\n\n)(ab)(<|im_end|>)(c)(d)(<|im_end|>)");
  EXPECT_EQ(sample->prompt_length,
            std::find(sample->learned.begin(), sample->learned.end(), 1) - sample->learned.begin());
}

TEST(SampleEncoderTest, TheEndOfASampleIsLearnedWithItsLastMessageAlone) {
  const auto sample =
      SampleEncoder::Create(DataConfig(), ByteLevelTokenizer(), 100, "data")
          ->EncodeSample({.completion = "abc", .whole = true, .learned = {{2, 3}}}, "here");
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_EQ(sample->learned, (std::vector<uint8_t>{0, 1, 1}));
  const auto first =
      SampleEncoder::Create(DataConfig(), ByteLevelTokenizer(), 100, "data")
          ->EncodeSample({.completion = "cab", .whole = true, .learned = {{1, 2}}}, "here");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->learned, (std::vector<uint8_t>{0, 1, 0}));
}

}  // namespace
}  // namespace deduce
