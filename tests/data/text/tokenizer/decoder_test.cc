#include "data/text/tokenizer/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using Json = nlohmann::json;

std::string Decoded(const Json& json, const std::vector<std::string>& tokens) {
  const auto decoder = TokenDecoder::FromJson(&json, "f");
  EXPECT_TRUE(decoder.ok()) << decoder.status();
  return decoder->Decode(tokens);
}

const Json kFallback = {{"type", "ByteFallback"}};

TEST(DecoderTest, ByteLevelJoinsBytesToCharacters) {
  const Json json = {{"type", "ByteLevel"}};
  EXPECT_EQ(Decoded(json, {"\u0120a", "\u00e4\u00b8", "\u012d"}), " a\u4e0b");  // e4 b8 8b
  EXPECT_EQ(Decoded(json, {"a", "\u00e4\u00b8"}), "a\uFFFD");  // a character that is not complete
  EXPECT_EQ(Decoded(json, {"\u4e09"}), "\u4e09");
}

TEST(DecoderTest, ByteFallbackJoinsRuns) {
  EXPECT_EQ(Decoded(kFallback, {"x", "<0xE4>", "<0xB8>", "<0x8B>", "y"}), "x\u4e0by");
  EXPECT_EQ(Decoded(kFallback, {"<0xE4>", "<0xB8>", "y"}), "\uFFFD\uFFFDy");
  EXPECT_EQ(Decoded(kFallback, {"<0xZZ>", "<0x1>"}), "<0xZZ><0x1>");
}

TEST(DecoderTest, StripAndReplaceGoByToken) {
  const Json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 1}};
  EXPECT_EQ(Decoded(strip, {"  a ", " ", ""}), " a");
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", "_"}}}, {"content", " "}};
  EXPECT_EQ(Decoded(replace, {"_a_", "b"}), " a b");
}

TEST(DecoderTest, FuseMakesOneToken) {
  const Json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  EXPECT_EQ(
      Decoded({{"type", "Sequence"}, {"decoders", {{{"type", "Fuse"}}, strip}}}, {" a", " b"}),
      "a b");
}

TEST(DecoderTest, MetaspaceDropsTheFirst) {
  const Json json = {{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "always"}};
  EXPECT_EQ(Decoded(json, {"_a", "_b"}), "a b");
}

TEST(DecoderTest, NoneJoinsWithSpaces) {
  EXPECT_EQ(TokenDecoder::FromJson(nullptr, "f")->Decode({"a", "b"}), "a b");
}

TEST(DecoderTest, UnknownOnesAreErrors) {
  const Json json = {{"type", "WordPiece"}};
  EXPECT_EQ(TokenDecoder::FromJson(&json, "f").status().message(),
            "f: decoder.type: found \"WordPiece\", expected ByteLevel, ByteFallback, Fuse, Strip, "
            "Replace, "
            "Metaspace or Sequence");
}

}  // namespace
}  // namespace deduce
