#include "data/text/tokenizer/tokenizer.h"

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

// Byte-level BPE with a normalizer, added tokens and a template, as published files have them.
Json SoundBpe() {
  Json json = Sound();
  json["normalizer"] = {{"type", "NFC"}};
  json["pre_tokenizer"] = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
  json["decoder"] = {{"type", "ByteLevel"}};
  json["model"] = {
      {"type", "BPE"},
      {"vocab", {{"a", 0}, {"b", 1}, {"ab", 2}, {"\u0120", 3}, {"\u00c3", 4}, {"\u00a9", 5}}},
      {"merges", {"a b"}}};
  json["added_tokens"] = {Added(6, "<s>", true), Added(7, "</s>", true)};
  json["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
        {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}},
      {"pair", Json::array()},
      {"special_tokens", {{"<s>", {{"id", "<s>"}, {"ids", {6}}, {"tokens", {"<s>"}}}}}}};
  return json;
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
  EXPECT_THAT(std::string(ids.status().message()), HasSubstr("the text: found \"y\""));
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

TEST(TokenizerTest, TextsEndWithTheirTokenAndThoseThatHoldAStop) {
  const Tokenizer tokenizer = Read(Sound());
  EXPECT_THAT(*tokenizer.EndIds(""), ElementsAre(2));
  EXPECT_THAT(*tokenizer.EndIds("\n"), ElementsAre(2, 6));
  EXPECT_THAT(*tokenizer.EndIds("a"), ElementsAre(2, 3, 7));  // <|pad|> and <a>
  EXPECT_EQ(tokenizer.EndIds("\n\n").status().message(),
            "found \"\\n\\n\", expected a text that some token of the tokenizer holds");
}

TEST(TokenizerTest, TextsEndWithAnyTokenThatTheModelsFilesName) {
  const std::string chat = "{% for m in messages %}{{ m.content }}<|pad|>\n{% endfor %}";
  const auto tokenizer = Tokenizer::FromJson(Sound().dump(), "tok.json", "",
                                             ChatTemplate::Parse(chat, "chat"), {5, 6});
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*tokenizer->EndIds(""), ElementsAre(2, 5, 6));
  EXPECT_THAT(*tokenizer->EndIds("", /*chat=*/true), ElementsAre(2, 3, 5, 6));
  EXPECT_THAT(*tokenizer->EndIds("x", /*chat=*/true), ElementsAre(2, 3, 4, 5, 6));
}

// <a> is added, but not special: a tag of the text, not its end.
TEST(TokenizerTest, OnlyASpecialTokenEndsATurn) {
  const std::string chat = "{% for m in messages %}{{ m.content }}<a>{% endfor %}";
  const auto tokenizer =
      Tokenizer::FromJson(Sound().dump(), "tok.json", "", ChatTemplate::Parse(chat, "chat"));
  EXPECT_THAT(*tokenizer->EndIds("", /*chat=*/true), ElementsAre(2));
}

TEST(TokenizerTest, TheModelsFirstEndTokenStandsInForOneThatNobodyNames) {
  const auto tokenizer =
      Tokenizer::FromJson(SoundBpe().dump(), "tok.json", "", NoChatTemplate(), {7, 2});
  EXPECT_EQ(tokenizer->eos_id(), 7);
}

TEST(TokenizerTest, TruncationAndPaddingAreLeftAside) {
  Json json = Sound();
  json["truncation"] = {{"direction", "Right"}, {"max_length", 3}, {"strategy", "LongestFirst"}};
  json["padding"] = {{"strategy", "BatchLongest"}, {"pad_id", 3}};
  EXPECT_THAT(*Read(json).Encode("xxxxx"), ElementsAre(4, 4, 4, 4, 4));
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

struct BadFile {
  Json json;
  const char* message;
};

std::vector<BadFile> BadFiles() {
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
  return {
      {with("/model/type", "Unigram"),
       "tok.json: model.type: found \"Unigram\", expected \"BPE\" or"},
      {with("/normalizer", {{"type", "Nmt"}}), "normalizer.type: found \"Nmt\", expected NFC"},
      {with("/normalizer", true), "normalizer: found true, expected an object"},
      {with("/post_processor", true), "post_processor: found true, expected an object"},
      {with("/version", "2.0"), "version: found \"2.0\", expected null or \"1.0\""},
      {with("/extra", 1), "\"extra\": found 1, expected no such field"},
      {with("/decoder", {{"type", "CTC"}}), "decoder.type: found \"CTC\""},
      {with("/decoder/more", 1), "decoder[\"more\"]: found 1, expected no such field"},
      {with("/pre_tokenizer/type", "Punctuation"), "pre_tokenizer.type: found \"Punctuation\""},
      {with("/pre_tokenizer/behavior", "Gone"), "pre_tokenizer.behavior: found \"Gone\""},
      {with("/pre_tokenizer/invert", 1), "pre_tokenizer.invert: found 1"},
      {with("/pre_tokenizer/pattern/Regex", "\\w"), "pre_tokenizer.pattern.Regex: found \"\\\\w\""},
      {with("/pre_tokenizer/pattern/Regex", "("), "pre_tokenizer.pattern.Regex: found"},
      {without("", "model"), "model: found nothing, expected an object"},
      {without("/model", "vocab"), "model.vocab: found nothing"},
      {with("/model/vocab", Json::object()), "model.vocab: found {}"},
      {with("/model/vocab", Json::array({"a"})), "model.vocab: found [\"a\"], expected an object"},
      {with("/model/unk_token", "<UNK>"),
       "model.unk_token: found \"<UNK>\", expected a token of model.vocab"},
      {with("/model/unk_token", 3), "model.unk_token: found 3, expected a text"},
      {with("/model/vocab/x", -1), "model.vocab[\"x\"]: found -1, expected an id from 0"},
      {with("/model/vocab/x", 4.5), "model.vocab[\"x\"]: found 4.5"},
      {with("/model/vocab/x", "4"), "model.vocab[\"x\"]: found \"4\""},
      {with("/model/vocab/x", 18446744073709551615u),
       "model.vocab[\"x\"]: found 1844674407370955161"},
      {with("/model/vocab/x", 5), "model.vocab: found id 5 of both"},
      {with("/model/vocab/x", 9), "model.vocab[\"x\"]: found 9, expected an id from 0 to 6"},
      {with("/added_tokens", nullptr), "added_tokens: found null, expected an array"},
      {with("/added_tokens/0", 1), "added_tokens[0]: found 1, expected an object"},
      {with("/added_tokens/3/lstrip", 1),
       "added_tokens[3].lstrip: found 1, expected true or false"},
      {with("/added_tokens/3/content", ""), "added_tokens[3].content: found \"\""},
      {with("/added_tokens/3/content", "<|end|>"), "added_tokens[3].content: found \"<|end|>\""},
      {with("/added_tokens/3/id", 2147483647), "added_tokens[3].id: found 2147483647, expected 7"},
      {with("/added_tokens/3/id", 1e300), "added_tokens[3].id: found 1e+300"},
      {with("/added_tokens/3/special", 1), "added_tokens[3].special: found 1"},
  };
}

TEST(TokenizerTest, BadFilesAreErrorsThatNameTheField) {
  for (const auto& bad : BadFiles()) {
    const auto tokenizer = Tokenizer::FromJson(bad.json.dump(), "tok.json");
    ASSERT_FALSE(tokenizer.ok()) << bad.message;
    EXPECT_EQ(tokenizer.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(ErrorOf(bad.json), HasSubstr(bad.message));
    EXPECT_THAT(ErrorOf(bad.json), ::testing::StartsWith("tok.json: "));
    EXPECT_EQ(ErrorOf(bad.json).find('\n'), std::string::npos);
  }
}

TEST(TokenizerTest, ByteLevelBpeGoesThroughEveryPart) {
  const Tokenizer tokenizer = Read(SoundBpe());
  // e and an acute are composed; U+00E9 is the bytes c3 a9.
  EXPECT_THAT(*tokenizer.Encode("ab<s> e\u0301b"), ElementsAre(2, 6, 3, 4, 5, 1));
  EXPECT_THAT(*tokenizer.Encode("ab", /*add_special_tokens=*/true), ElementsAre(6, 2));
  EXPECT_EQ(tokenizer.Decode(std::vector<int32_t>{6, 2, 3, 4, 5}), "<s>ab \u00e9");
  EXPECT_EQ(tokenizer.Decode(std::vector<int32_t>{2, 4}), "ab\uFFFD");
  EXPECT_EQ(tokenizer.Decode(std::vector<int32_t>{6, 2}, /*with_special=*/false), "ab");
  EXPECT_EQ(tokenizer.special_tokens().bos, std::nullopt);
  EXPECT_ANY_THROW(tokenizer.eos_id());
}

TEST(TokenizerTest, OldBpeFilesNameNoType) {
  Json json = SoundBpe();
  json["model"].erase("type");
  EXPECT_THAT(*Read(json).Encode("ab"), ElementsAre(2));
}

TEST(TokenizerTest, SpecialTokensComeFromItsConfig) {
  const auto read = [](const char* config) {
    return Tokenizer::FromJson(SoundBpe().dump(), "dir/tokenizer.json", config);
  };
  const auto tokenizer = read(R"({"bos_token": "<s>", "eos_token": "</s>"})");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(tokenizer->bos_id(), 6);
  EXPECT_EQ(tokenizer->eos_id(), 7);
  EXPECT_EQ(tokenizer->special_tokens().pad, std::nullopt);
  EXPECT_TRUE(tokenizer->special_tokens().adds_bos);  // as its template does
  EXPECT_FALSE(read(R"({"bos_token": "<s>", "add_bos_token": false})")->special_tokens().adds_bos);
  EXPECT_EQ(
      read(R"({"eos_token": "<x>"})").status().message(),
      "dir/tokenizer_config.json: eos_token: found \"<x>\", expected a token of tokenizer.json");
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
  Tokenizer tokenizer_ = *Tokenizer::Load(DEDUCE_SOURCE_DIR "/configs/recipes/tiny_tokenizer.json");
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
