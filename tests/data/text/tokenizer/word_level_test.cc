#include "data/text/tokenizer/word_level.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using Json = nlohmann::json;

const Json kTokens = {{"<unk>", 0}, {"ab", 1}, {"\u0120a", 2}};

absl::StatusOr<WordLevelModel> Make(Json model, bool byte_level = false) {
  return WordLevelModel::FromJson(
      model, "f", std::make_shared<Vocabulary>(*Vocabulary::FromJson(kTokens, "f")), byte_level);
}

TEST(WordLevelTest, LooksPiecesUp) {
  std::vector<int32_t> ids;
  const std::string_view pieces[] = {"ab", "b"};
  EXPECT_TRUE(Make({{"unk_token", "<unk>"}})->Encode(pieces, ids).ok());
  EXPECT_THAT(ids, ::testing::ElementsAre(1, 0));
}

TEST(WordLevelTest, LooksBytesUp) {
  std::vector<int32_t> ids;
  const std::string_view pieces[] = {" a"};
  EXPECT_TRUE(Make(Json::object(), true)->Encode(pieces, ids).ok());
  EXPECT_THAT(ids, ::testing::ElementsAre(2));
}

TEST(WordLevelTest, WithoutUnknownTokenUnknownPiecesAreErrors) {
  std::vector<int32_t> ids;
  const std::string_view pieces[] = {"b"};
  EXPECT_EQ(Make(Json::object())->Encode(pieces, ids).message(),
            "the text: found \"b\", expected a token of the vocabulary (it has no unknown token)");
}

TEST(WordLevelTest, UnknownTokenMustBeAToken) {
  EXPECT_EQ(Make({{"unk_token", "u"}}).status().message(),
            "f: model.unk_token: found \"u\", expected a token of model.vocab");
}

}  // namespace
}  // namespace deduce
