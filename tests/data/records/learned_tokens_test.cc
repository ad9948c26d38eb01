#include "data/records/learned_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/data/byte_level_tokenizer.h"

namespace deduce {
namespace {

using ::testing::HasSubstr;

// A letter for each token of `text`: x if it is learned, where the parts between brackets are.
std::string LearnedOf(const Tokenizer& tokenizer, const std::string& marked) {
  std::string text;
  std::vector<TextSpan> spans;
  for (const char c : marked) {
    if (c == '[') {
      spans.push_back({text.size(), 0});
    } else if (c == ']') {
      spans.back().end = text.size();
    } else {
      text += c;
    }
  }
  const auto learned = LearnedTokens(tokenizer, text, *tokenizer.Encode(text), spans);
  EXPECT_TRUE(learned.ok()) << learned.status();
  std::string letters;
  for (const uint8_t token : *learned) letters += token == 1 ? 'x' : '.';
  return letters;
}

TEST(LearnedTokensTest, TokensOfTheSpansAreLearned) {
  const auto tokenizer = ByteLevelTokenizer();
  EXPECT_EQ(LearnedOf(*tokenizer, "c[de]f[g]"), ".xx.x");
  EXPECT_EQ(LearnedOf(*tokenizer, "<|im_start|>c\n[de<|im_end|>]\n"), "...xxx.");
  EXPECT_EQ(LearnedOf(*tokenizer, "cde"), "...");
}

TEST(LearnedTokensTest, ATokenAcrossAnEndOfASpanIsLearned) {
  const auto tokenizer = ByteLevelTokenizer();
  // "\n\n" and "ab" are one token each.
  EXPECT_EQ(LearnedOf(*tokenizer, "c\n[\nd]e"), ".xx.");
  EXPECT_EQ(LearnedOf(*tokenizer, "c[da]be"), ".xx.");
}

TEST(LearnedTokensTest, CharactersOfSeveralTokensAreLearnedWhole) {
  const auto tokenizer = ByteLevelTokenizer();
  EXPECT_EQ(LearnedOf(*tokenizer, "\u4e09[\u4e09]\u4e09"), "...xxx...");
  // Found by its text, as the token before is cut by the place; U+FF0C begins with the byte of
  // U+FFFD, which half a character is decoded as.
  EXPECT_EQ(LearnedOf(*tokenizer, "\uff0ca[b\uff0c]\uff0c"), "...xxxx...");
}

TEST(LearnedTokensTest, ATokenizerThatChangesTheTextWhereAPlaceIsIsRefused) {
  nlohmann::json json = nlohmann::json::parse(ByteLevelTokenizer()->json());
  json["normalizer"] = {{"type", "Lowercase"}};
  const auto tokenizer = Tokenizer::FromJson(json.dump(), "tok.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ(LearnedOf(*tokenizer, "C[D]"), ".x");  // between tokens it does not matter
  const std::string text = "CAB";
  EXPECT_THAT(
      std::string(
          LearnedTokens(*tokenizer, text, *tokenizer->Encode(text), {{2, 3}}).status().message()),
      HasSubstr("found a tokenizer that changes the text, at byte 2"));
}

}  // namespace
}  // namespace deduce
