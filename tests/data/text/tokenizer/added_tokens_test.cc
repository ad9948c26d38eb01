#include "data/text/tokenizer/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

using ::testing::ElementsAre;
using Json = nlohmann::json;

Json Token(int id, const char* content, const char* flag = "") {
  Json token = {{"id", id}, {"content", content}, {"special", true}};
  for (const char* name : {"single_word", "lstrip", "rstrip", "normalized"})
    token[name] = name == std::string(flag);
  return token;
}

absl::StatusOr<AddedTokens> Read(const Json& tokens) {
  const Json prefix = {{"type", "Prepend"}, {"prepend", "_"}};
  return AddedTokens::FromJson(tokens, "f", *Vocabulary::FromJson({{"a", 0}, {"b", 1}}, "f"),
                               *TextNormalizer::FromJson(&prefix, "f"));
}

// Parts as text; tokens in brackets.
std::vector<std::string> Given(const Json& tokens, std::string_view text) {
  std::vector<std::string> shown;
  const auto added = Read(tokens);
  EXPECT_TRUE(added.ok()) << added.status();
  for (const auto& part : added->CutGiven(text)) {
    shown.push_back(part.id ? "[" + std::string(part.text) + "]" : std::string(part.text));
  }
  return shown;
}

TEST(AddedTokensTest, ATokenOfMoreBytesThanAnyoneNeedsIsRefused) {
  EXPECT_TRUE(Read(Json::array({Token(2, std::string(1024, 'x').c_str())})).ok());
  EXPECT_FALSE(Read(Json::array({Token(2, std::string(1025, 'x').c_str())})).ok());
}

TEST(AddedTokensTest, LeftmostThenLongest) {
  EXPECT_THAT(Given(Json::array({Token(2, "<x>"), Token(3, "<x>y")}), "a<x>yy<x>"),
              ElementsAre("a", "[<x>y]", "y", "[<x>]"));
}

TEST(AddedTokensTest, WhiteSpaceGoesWithTheToken) {
  EXPECT_THAT(Given(Json::array({Token(2, "<x>", "lstrip")}), "a \u3000<x> b"),
              ElementsAre("a", "[ \u3000<x>]", " b"));
  EXPECT_THAT(Given(Json::array({Token(2, "<x>", "rstrip")}), "<x> \n<x>"),
              ElementsAre("[<x> \n]", "[<x>]"));
}

TEST(AddedTokensTest, SingleWordsTouchNoWord) {
  EXPECT_THAT(Given(Json::array({Token(2, "xy", "single_word")}), "xy xyz \u00e9xy,xy"),
              ElementsAre("[xy]", " xyz \u00e9xy,", "[xy]"));
}

TEST(AddedTokensTest, NormalizedOnesAreLookedForAfterwards) {
  const auto added = Read(Json::array({Token(2, "<x>", "normalized")}));
  EXPECT_EQ(added->CutGiven("_<x>").size(), 1u);
  EXPECT_EQ(added->CutNormalized("a_<x>").size(), 2u);
  EXPECT_EQ(*added->NormalizedText(2), "_<x>");
}

TEST(AddedTokensTest, IdsFollowTheVocabulary) {
  const auto added = Read(Json::array({Token(1, "b"), Token(2, "c")}));
  EXPECT_EQ(added->num_beyond(), 1);
  EXPECT_EQ(added->TextBeyond(0), "c");
  EXPECT_EQ(added->Find("b"), 1);
  EXPECT_TRUE(added->IsSpecial(1));
  const auto error = [](const Json& tokens) {
    return std::string(Read(tokens).status().message());
  };
  EXPECT_EQ(error(Json::array({Token(3, "c")})),
            "f: added_tokens[0].id: found 3, expected 2, the next id");
  EXPECT_EQ(error(Json::array({Token(2, "b")})),
            "f: added_tokens[0].id: found 2, expected 1 as in model.vocab");
  EXPECT_EQ(error(Json::array({Token(2, "c"), Token(3, "c")})),
            "f: added_tokens[1].content: found \"c\", expected every token once");
}

}  // namespace
}  // namespace deduce
