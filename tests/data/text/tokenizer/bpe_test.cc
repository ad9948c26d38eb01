#include "data/text/tokenizer/bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace deduce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

const Json kTokens = {{"a", 0}, {"b", 1},      {"ab", 2},     {"aba", 3},
                      {"?", 4}, {"<0xC3>", 5}, {"<0xA9>", 6}, {"ba", 7}};

absl::StatusOr<BpeModel> Make(const Json& settings) {
  Json model = {{"merges", {"a b", "ab a", "b a"}}};
  model.update(settings);
  return BpeModel::FromJson(
      model, "f", std::make_shared<Vocabulary>(*Vocabulary::FromJson(kTokens, "f")), false);
}

std::vector<int32_t> Encoded(const Json& settings, const std::string& piece) {
  const auto model = Make(settings);
  EXPECT_TRUE(model.ok()) << model.status();
  std::vector<int32_t> ids;
  const std::string_view pieces[] = {piece};
  model->Encode(pieces, ids);
  std::vector<int32_t> again;
  model->Encode(pieces, again);  // from the cache
  EXPECT_EQ(ids, again);
  return ids;
}

TEST(BpeTest, MergesByRankThenFromTheLeft) {
  EXPECT_THAT(Encoded(Json::object(), "abab"), ElementsAre(2, 2));  // both "a b" come before "ab a"
  EXPECT_THAT(Encoded(Json::object(), "aba"), ElementsAre(3));
  EXPECT_THAT(Encoded(Json::object(), "bba"), ElementsAre(1, 7));
}

TEST(BpeTest, MergesMayBePairs) {
  EXPECT_THAT(
      Encoded({{"merges", Json::array({Json::array({"b", "a"}), Json::array({"a", "b"})})}}, "aba"),
      ElementsAre(0, 7));
}

TEST(BpeTest, IgnoreMergesTakesWholeTokens) {
  EXPECT_THAT(Encoded({{"merges", Json::array()}, {"ignore_merges", true}}, "aba"), ElementsAre(3));
  EXPECT_THAT(Encoded({{"merges", Json::array()}}, "aba"), ElementsAre(0, 1, 0));
}

TEST(BpeTest, UnknownCharacters) {
  EXPECT_THAT(Encoded(Json::object(), "axyb"),
              ElementsAre(2));  // dropped, as the tokenizers package does
  EXPECT_THAT(Encoded({{"unk_token", "?"}}, "axyb"), ElementsAre(0, 4, 4, 1));
  EXPECT_THAT(Encoded({{"unk_token", "?"}, {"fuse_unk", true}}, "axyb"), ElementsAre(0, 4, 1));
  EXPECT_THAT(Encoded({{"byte_fallback", true}, {"unk_token", "?"}}, "a\u00e9\u4e09"),
              ElementsAre(0, 5, 6, 4));
}

// A wrong algorithm would take hours.
TEST(BpeTest, LongPiecesTakeNoSquareOfTime) {
  std::string piece;
  for (int i = 0; i < 1 << 19; ++i) piece += "ab";
  EXPECT_EQ(Encoded(Json::object(), piece).size(), size_t{1} << 19);
}

TEST(BpeTest, WhatIsNotSupportedIsNamed) {
  const auto error = [](const Json& settings) {
    return std::string(Make(settings).status().message());
  };
  EXPECT_EQ(error({{"dropout", 0.1}}), "f: model.dropout: found 0.1, expected null or 0.0");
  EXPECT_THAT(error({{"end_of_word_suffix", "</w>"}}),
              HasSubstr("model.end_of_word_suffix: found"));
  EXPECT_THAT(error({{"continuing_subword_prefix", "##"}}),
              HasSubstr("model.continuing_subword_prefix"));
  EXPECT_THAT(error({{"unk_token", "u"}}),
              HasSubstr("model.unk_token: found \"u\", expected a token"));
  EXPECT_THAT(error({{"merges", Json::array({"a x"})}}),
              HasSubstr("model.merges[0]: found \"a x\", expected \"x\" in"));
  EXPECT_THAT(error({{"merges", Json::array({"b b"})}}),
              HasSubstr("expected \"bb\" in model.vocab"));
  EXPECT_THAT(error({{"merges", Json::array({"ab"})}}), HasSubstr("expected a text of two tokens"));
  EXPECT_THAT(error({{"merges", Json::array({"a b c"})}}),
              HasSubstr("expected a text of two tokens"));
  EXPECT_THAT(error({{"merges", Json::array({Json::array({"a", "b"}), "a b"})}}),
              HasSubstr("merges[1]: found \"a b\", expected an array"));
  EXPECT_THAT(error({{"merges", Json::array({3})}}), HasSubstr("merges[0]: found 3"));
  EXPECT_THAT(error({{"cache_capacity", 3}}), HasSubstr("model[\"cache_capacity\"]: found 3"));
}

}  // namespace
}  // namespace deduce
