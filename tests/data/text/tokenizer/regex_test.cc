#include "data/text/tokenizer/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace deduce {
namespace {

using ::testing::ElementsAre;

// Stretches as text; matches in brackets.
std::vector<std::string> Cut(const TokenRegex& regex, const std::string& text) {
  std::vector<std::string> shown;
  const auto stretches = regex.Cut(text);
  EXPECT_TRUE(stretches.ok()) << stretches.status();
  for (const RegexStretch& stretch : *stretches) {
    const std::string part = text.substr(stretch.begin, stretch.end - stretch.begin);
    shown.push_back(stretch.matched ? "[" + part + "]" : part);
  }
  return shown;
}

TEST(RegexTest, CutsAtMatches) {
  EXPECT_THAT(Cut(*TokenRegex::Compile("\\p{N}{1,3}"), "ab1234 5"),
              ElementsAre("ab", "[123]", "[4]", " ", "[5]"));
  EXPECT_TRUE(Cut(*TokenRegex::Compile("a"), "").empty());
}

TEST(RegexTest, LookAheadSeesTheRestOfTheText) {
  EXPECT_THAT(Cut(*TokenRegex::Compile("\\s+(?!\\S)|\\s+"), "a   b  "),
              ElementsAre("a", "[  ]", "[ ]", "b", "[  ]"));
}

TEST(RegexTest, OnlyLineFeedsEndLines) {
  EXPECT_THAT(Cut(*TokenRegex::Compile("."), "a\r\nb"), ElementsAre("[a]", "[\r]", "\n", "[b]"));
  EXPECT_THAT(Cut(*TokenRegex::Compile("a$"), "a\nba"), ElementsAre("[a]", "\nb", "[a]"));
}

TEST(RegexTest, WhiteSpaceIsUnicodesAlsoInsideClasses) {
  EXPECT_THAT(Cut(*TokenRegex::Compile("[\\s]"), "\u3000\u180e"),
              ElementsAre("[\u3000]", "\u180e"));
  EXPECT_THAT(Cut(*TokenRegex::Compile("[\\s\\S]"), "\u180e \u4e09"),
              ElementsAre("[\u180e]", "[ ]", "[\u4e09]"));
}

TEST(RegexTest, KnowsLettersOfUnicode16) {
  EXPECT_THAT(Cut(*TokenRegex::Compile("\\p{L}+"), "a\U00031350 \u088f"),
              ElementsAre("[a\U00031350]", " \u088f"));  // U+088F is of Unicode 17
}

TEST(RegexTest, MatchesNothingButOnce) {
  EXPECT_THAT(Cut(*TokenRegex::Compile("b*"), "abc"), ElementsAre("[]", "a", "[b]", "c", "[]"));
}

TEST(RegexTest, LiteralsHaveNoSyntax) {
  EXPECT_THAT(Cut(TokenRegex::Literal(".."), "a...b"), ElementsAre("a", "[..]", ".b"));
}

TEST(RegexTest, BrokenExpressionsAreErrors) {
  for (const char* bad : {"", "(", "[a", "a)", "*", "[z-a]", "\\w"}) {
    EXPECT_EQ(TokenRegex::Compile(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(RegexTest, AnExpressionThatNeverEndsIsAnError) {
  EXPECT_EQ(TokenRegex::Compile("(a*)*b|(?:(?:a+)+)+c")->Cut(std::string(64, 'a')).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace deduce
