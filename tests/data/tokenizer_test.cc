#include "data/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "nlohmann/json.hpp"

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using Json = nlohmann::json;

Json Added(int id, const std::string& content, bool special) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

// A sound file of eight tokens.
Json Sound() {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"normalizer", nullptr},
          {"post_processor", nullptr},
          {"added_tokens",
           {Added(1, "<|begin|>", true), Added(2, "<|end|>", true), Added(3, "<|pad|>", true),
            Added(7, "<a>", false)}},
          {"pre_tokenizer",
           {{"type", "Split"},
            {"pattern", {{"Regex", "[\\s\\S]"}}},
            {"behavior", "Isolated"},
            {"invert", false}}},
          {"decoder", {{"type", "Fuse"}}},
          {"model",
           {{"type", "WordLevel"},
            {"vocab",
             {{"<unk>", 0},
              {"<|begin|>", 1},
              {"x", 4},
              {"\u4e09", 5},
              {"\n", 6},
              {"<|end|>", 2},
              {"<|pad|>", 3}}},
            {"unk_token", "<unk>"}}}};
}

Tokenizer Read(const Json& json) {
  auto tokenizer = Tokenizer::FromJson(json.dump(), "tok.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

std::string ErrorOf(const Json& json) {
  return std::string(Tokenizer::FromJson(json.dump(), "tok.json").status().message());
}

TEST(TokenizerTest, EncodesCharactersAndAddedTokens) {
  const Tokenizer tokenizer = Read(Sound());
  EXPECT_THAT(*tokenizer.Encode("x\u4e09<a>\nx<|end|><|"), ElementsAre(4, 5, 7, 6, 4, 2, 0, 0));
  EXPECT_TRUE(tokenizer.Encode("")->empty());
  EXPECT_EQ(tokenizer.vocab_size(), 8);
  EXPECT_EQ(tokenizer.bos_id(), 1);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  EXPECT_EQ(tokenizer.pad_id(), 3);
}

TEST(TokenizerTest, LongestAddedTokenWins) {
  Json json = Sound();
  json["added_tokens"].push_back(Added(8, "<a>x", false));
  EXPECT_THAT(*Read(json).Encode("<a>xx<a>"), ElementsAre(8, 4, 7));
}

TEST(TokenizerTest, UnknownCharactersBecomeTheUnknownToken) {
  EXPECT_THAT(*Read(Sound()).Encode("y\u56dbx"), ElementsAre(0, 0, 4));
}

TEST(TokenizerTest, UnknownCharacterWithoutUnknownTokenIsAnError) {
  Json json = Sound();
  json["model"].erase("unk_token");
  const auto ids = Read(json).Encode("<a>\u4e09y");
  EXPECT_EQ(ids.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(ids.status().message()), HasSubstr("byte 6 of the text: found \"y\""));
}

TEST(TokenizerTest, InvalidUtf8IsAnErrorWithItsOffset) {
  const auto ids = Read(Sound()).Encode("x\u4e09\xff");
  EXPECT_EQ(ids.status().message(), "byte 4 of the text: found 0xff, expected UTF-8");
}

// As Hugging Face's regular expressions have it: a dot matches no line feed, so those between
// matches are one piece.
TEST(TokenizerTest, PatternDotLeavesLineFeedsTogether) {
  Json json = Sound();
  json["pre_tokenizer"]["pattern"]["Regex"] = ".";
  EXPECT_THAT(*Read(json).Encode("x\nx\n\nx"), ElementsAre(4, 6, 4, 0, 4));
  EXPECT_THAT(*Read(Sound()).Encode("x\n\nx"), ElementsAre(4, 6, 6, 4));
}

TEST(TokenizerTest, DecodesWithAndWithoutSpecialTokens) {
  const Tokenizer tokenizer = Read(Sound());
  const std::vector<int32_t> ids = {1, 4, 7, 5, 6, 2, 3};
  EXPECT_EQ(tokenizer.Decode(ids), "<|begin|>x<a>\u4e09\n<|end|><|pad|>");
  EXPECT_EQ(tokenizer.Decode(ids, /*with_special=*/false), "x<a>\u4e09\n");
  EXPECT_ANY_THROW(tokenizer.Decode(std::vector<int32_t>{-1}));
}

TEST(TokenizerTest, IdsBeyondTheVocabularyReadAsTheReplacementCharacter) {
  EXPECT_EQ(Read(Sound()).Decode(std::vector<int32_t>{4, 8, 1000}), "x\uFFFD\uFFFD");
}

TEST(TokenizerTest, TextsAndIdsAreInverse) {
  const Tokenizer tokenizer = Read(Sound());
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    EXPECT_EQ(tokenizer.TokenId(tokenizer.TokenText(id)), id);
  }
  EXPECT_EQ(tokenizer.TokenId("xx"), std::nullopt);
}

TEST(TokenizerTest, BadFilesAreErrorsThatNameTheField) {
  const auto with = [](const char* pointer, const Json& value) {
    Json json = Sound();
    json[Json::json_pointer(pointer)] = value;
    return json;
  };
  const auto without = [](const char* parent, const char* key) {
    Json json = Sound();
    json[Json::json_pointer(parent)].erase(key);
    return json;
  };
  const struct {
    Json json;
    const char* message;
  } cases[] = {
      {with("/model/type", "BPE"), "tok.json: model.type: found \"BPE\", expected \"WordLevel\""},
      {with("/normalizer", {{"type", "NFC"}}),
       "normalizer: found {\"type\":\"NFC\"}, expected null"},
      {with("/truncation", {{"max_length", 3}}), "truncation: found"},
      {with("/padding", true), "padding: found true, expected null"},
      {with("/post_processor", true), "post_processor: found true, expected null"},
      {with("/version", "2.0"), "version: found \"2.0\", expected \"1.0\""},
      {with("/extra", 1), "\"extra\": found 1, expected no such field"},
      {with("/decoder", nullptr), "decoder: found null, expected {\"type\":\"Fuse\"}"},
      {with("/pre_tokenizer", nullptr), "pre_tokenizer: found null"},
      {with("/pre_tokenizer/type", "ByteLevel"), "pre_tokenizer.type: found \"ByteLevel\""},
      {with("/pre_tokenizer/behavior", "Removed"), "pre_tokenizer.behavior: found \"Removed\""},
      {with("/pre_tokenizer/invert", true), "pre_tokenizer.invert: found true"},
      {with("/pre_tokenizer/pattern/Regex", "\\w"), "pre_tokenizer.pattern: found"},
      {without("", "model"), "model: found nothing, expected an object"},
      {without("/model", "vocab"), "model.vocab: found nothing"},
      {with("/model/vocab", Json::object()), "model.vocab: found {}"},
      {with("/model/unk_token", "<UNK>"),
       "model.unk_token: found \"<UNK>\", expected a token of model.vocab"},
      {with("/model/unk_token", 3), "model.unk_token: found 3, expected a string"},
      {with("/model/vocab/x", -1), "model.vocab[\"x\"]: found -1, expected an id from 0"},
      {with("/model/vocab/x", 4.5), "model.vocab[\"x\"]: found 4.5"},
      {with("/model/vocab/x", 18446744073709551615u),
       "model.vocab[\"x\"]: found 1844674407370955161"},
      {with("/model/vocab/x", 5), "model.vocab: found id 5 of both \"x\" and \"\\u4e09\""},
      {with("/model/vocab/x", 9), "model.vocab: found id 9 of \"x\", expected ids 0 to 7"},
      {with("/added_tokens", nullptr), "added_tokens: found null, expected an array"},
      {with("/added_tokens/0", 1), "added_tokens[0].single_word: found nothing"},
      {with("/added_tokens/3/lstrip", true), "added_tokens[3].lstrip: found true, expected false"},
      {with("/added_tokens/3/content", ""), "added_tokens[3].content: found \"\""},
      {with("/added_tokens/3/content", "<|end|>"), "added_tokens[3].id: found 7, expected 2"},
      {with("/added_tokens/3/id", 2147483647), "id 2147483647 of \"<a>\", expected ids 0 to 7"},
      {with("/added_tokens/3/special", 1), "added_tokens[3].special: found 1"},
      {with("/added_tokens/1/special", false), "found no special token \"<|end|>\""},
  };
  for (const auto& bad : cases) {
    const auto tokenizer = Tokenizer::FromJson(bad.json.dump(), "tok.json");
    ASSERT_FALSE(tokenizer.ok()) << bad.message;
    EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(ErrorOf(bad.json), HasSubstr(bad.message));
    EXPECT_THAT(ErrorOf(bad.json), ::testing::StartsWith("tok.json: "));
    EXPECT_EQ(ErrorOf(bad.json).find('\n'), std::string::npos);
  }
}

TEST(TokenizerTest, RefusesTextThatIsNotJson) {
  for (const char* text : {"", "{", "nonsense", "[1]", "{\"a\": \"\xff\"}"}) {
    const auto tokenizer = Tokenizer::FromJson(text, "tok.json");
    EXPECT_THAT(std::string(tokenizer.status().message()), EndsWith("expected a JSON object"));
  }
}

TEST(TokenizerTest, MissingFileIsNamed) {
  const auto tokenizer = Tokenizer::Load("no/such/tokenizer.json");
  EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(tokenizer.status().message()),
              HasSubstr("no/such/tokenizer.json: found"));
  EXPECT_FALSE(Tokenizer::Load(DEDUCE_SOURCE_DIR).ok());  // a folder
}

class TinyTokenizerTest : public ::testing::Test {
 protected:
  Tokenizer tokenizer_ = *Tokenizer::Load(DEDUCE_SOURCE_DIR "/configs/tiny_tokenizer.json");
};

TEST_F(TinyTokenizerTest, RoundTripsTracesOfBothScripts) {
  EXPECT_LE(tokenizer_.vocab_size(), 64);
  for (const char* text :
       {"<think>37+85=122;122+46=168</think><answer>168</answer>",
        "<think>\u4e09\u4e03+\u516b\u4e94=\u4e00\u4e8c\u4e8c</think>", "0123456789+-*/=;,.()? \n",
        "\u3007\u4e00\u4e8c\u4e09\u56db", "\u4e94\u516d\u4e03\u516b\u4e5d=?"}) {
    const auto ids = tokenizer_.Encode(text);
    ASSERT_TRUE(ids.ok());
    EXPECT_EQ(tokenizer_.Decode(*ids), text);
    EXPECT_THAT(*ids, ::testing::Not(::testing::Contains(*tokenizer_.TokenId("<unk>"))));
  }
}

TEST_F(TinyTokenizerTest, TagsAreSingleTokens) {
  for (const char* tag : {"<think>", "</think>", "<answer>", "</answer>"}) {
    EXPECT_EQ(tokenizer_.Encode(tag)->size(), 1u);
  }
}

// Ids that Hugging Face's tokenizers 0.23.3 gives for the same file and text.
TEST_F(TinyTokenizerTest, AgreesWithHuggingFace) {
  EXPECT_THAT(
      *tokenizer_.Encode("\u4e09\u4e03+\u516b\u4e94=?\n\n\n x<|end|><|en<think"),
      ElementsAre(34, 38, 18, 39, 36, 22, 28, 30, 30, 30, 29, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(*tokenizer_.Encode("a\u3007<unk>\u4e00 </answer>"), ElementsAre(0, 31, 0, 32, 29, 7));
}

}  // namespace
}  // namespace deduce
