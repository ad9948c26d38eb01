#include "data/text/tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::ElementsAre;
using Json = nlohmann::json;

std::vector<std::string> Pieces(const Json& json, const std::string& text, bool at_start = true) {
  const auto pre_tokenizer = PreTokenizer::FromJson(&json, "f");
  EXPECT_TRUE(pre_tokenizer.ok()) << pre_tokenizer.status();
  TextPieces pieces;
  pieces.pieces = {text};
  pieces.at_start = at_start;
  EXPECT_TRUE(pre_tokenizer->Apply(pieces).ok());
  return {pieces.pieces.begin(), pieces.pieces.end()};
}

std::string ErrorOf(const Json& json) {
  return std::string(PreTokenizer::FromJson(&json, "f").status().message());
}

Json ByteLevel(bool prefix, bool regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", prefix},
          {"trim_offsets", true},
          {"use_regex", regex}};
}

Json Sequence(const Json& parts) { return {{"type", "Sequence"}, {"pretokenizers", parts}}; }

TEST(PreTokenizerTest, ByteLevelCutsAsGpt2) {
  EXPECT_THAT(Pieces(ByteLevel(false, true), "it's  12 a!?"),
              ElementsAre("it", "'s", " ", " 12", " a", "!?"));
  EXPECT_THAT(Pieces(ByteLevel(true, false), "a b"), ElementsAre(" a b"));
  const Json json = ByteLevel(false, true);
  EXPECT_TRUE(PreTokenizer::FromJson(&json, "f")->byte_level());
}

TEST(PreTokenizerTest, DigitsAloneOrTogether) {
  EXPECT_THAT(Pieces({{"type", "Digits"}, {"individual_digits", true}}, "a12\u00bd"),
              ElementsAre("a", "1", "2", "\u00bd"));
  EXPECT_THAT(Pieces({{"type", "Digits"}, {"individual_digits", false}}, "a12b"),
              ElementsAre("a", "12", "b"));
}

TEST(PreTokenizerTest, SplitsCanBeInverted) {
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", "[a-z]+"}}},
                      {"behavior", "Removed"},
                      {"invert", true}};
  EXPECT_THAT(Pieces(split, "ab, c"), ElementsAre("ab", "c"));
}

TEST(PreTokenizerTest, MetaspacePrepends) {
  const auto metaspace = [](const char* scheme, bool split) {
    return Json{
        {"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", scheme}, {"split", split}};
  };
  EXPECT_THAT(Pieces(metaspace("always", true), "a b", false), ElementsAre("_a", "_b"));
  EXPECT_THAT(Pieces(metaspace("first", false), "a b"), ElementsAre("_a_b"));
  EXPECT_THAT(Pieces(metaspace("first", false), " a"), ElementsAre("_a"));
  EXPECT_THAT(Pieces(metaspace("first", false), "a b", false), ElementsAre("a_b"));
  EXPECT_THAT(Pieces(metaspace("never", true), "a b"), ElementsAre("a", "_b"));
  EXPECT_EQ(ErrorOf(Sequence({{{"type", "Digits"}}, metaspace("first", true)})),
            "f: pre_tokenizer.pretokenizers[1].prepend_scheme: found \"first\", expected always or "
            "never, "
            "after another pre-tokenizer");
}

TEST(PreTokenizerTest, SequencesCutFurther) {
  EXPECT_THAT(
      Pieces(Sequence({{{"type", "Digits"}, {"individual_digits", true}}, ByteLevel(false, true)}),
             "a 12"),
      ElementsAre("a", " ", "1", "2"));
}

TEST(PreTokenizerTest, UnknownOnesAreErrors) {
  EXPECT_EQ(ErrorOf({{"type", "Whitespace"}}),
            "f: pre_tokenizer.type: found \"Whitespace\", expected Split, Digits, ByteLevel, "
            "Metaspace or Sequence");
  EXPECT_EQ(
      ErrorOf(Sequence({ByteLevel(false, true), {{"type", "Digits"}}})),
      "f: pre_tokenizer.pretokenizers[1].type: found \"Digits\", expected nothing after ByteLevel");
}

}  // namespace
}  // namespace deduce
