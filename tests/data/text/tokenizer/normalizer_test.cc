#include "data/text/tokenizer/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using Json = nlohmann::json;

std::string Normalized(const Json& json, std::string text) {
  const auto normalizer = TextNormalizer::FromJson(&json, "f");
  EXPECT_TRUE(normalizer.ok()) << normalizer.status();
  EXPECT_TRUE(normalizer->Apply(text).ok());
  return text;
}

std::string ErrorOf(const Json& json) {
  return std::string(TextNormalizer::FromJson(&json, "f").status().message());
}

TEST(NormalizerTest, EveryKind) {
  EXPECT_EQ(Normalized({{"type", "NFC"}}, "e\u0301"), "\u00e9");
  EXPECT_EQ(Normalized({{"type", "NFKD"}}, "\ufb01"), "fi");
  EXPECT_EQ(Normalized({{"type", "Lowercase"}}, "AB"), "ab");
  EXPECT_EQ(Normalized({{"type", "Prepend"}, {"prepend", "_"}}, "a"), "_a");
  EXPECT_EQ(Normalized({{"type", "Prepend"}, {"prepend", "_"}}, ""), "");
  const Json strip = {{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}};
  EXPECT_EQ(Normalized(strip, " \u3000a "), "a ");
  EXPECT_EQ(Normalized(strip, " \n"), "");
  const Json right = {{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}};
  EXPECT_EQ(Normalized(right, " a \n"), " a");
  EXPECT_EQ(Normalized(right, " \n"), "");
}

TEST(NormalizerTest, SequencesGoInOrder) {
  const Json replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "_"}};
  const Json prepend = {{"type", "Prepend"}, {"prepend", " "}};
  EXPECT_EQ(Normalized({{"type", "Sequence"}, {"normalizers", {prepend, replace}}}, "a b"), "_a_b");
  EXPECT_EQ(Normalized({{"type", "Sequence"}, {"normalizers", Json::array()}}, "a"), "a");
}

TEST(NormalizerTest, NoneChangesNothing) {
  EXPECT_TRUE(TextNormalizer::FromJson(nullptr, "f")->empty());
}

TEST(NormalizerTest, UnknownOnesAreErrors) {
  EXPECT_THAT(ErrorOf({{"type", "Nmt"}}),
              ::testing::StartsWith("f: normalizer.type: found \"Nmt\", expect"));
  EXPECT_EQ(ErrorOf({{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}, {"x", 1}}}}}),
            "f: normalizer.normalizers[0][\"x\"]: found 1, expected no such field");
}

}  // namespace
}  // namespace deduce
