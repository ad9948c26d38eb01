#include "data/text/chat_template/values/python_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce::jinja {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(PythonTextTest, StripKnowsUnicodeSpace) {
  EXPECT_EQ(Strip("\u3000 a\u00a0b \u2003\x1f", Side::kBoth), "a\u00a0b");
  EXPECT_EQ(Strip(" a ", Side::kLeft), "a ");
  EXPECT_EQ(Strip("\u200b", Side::kBoth), "\u200b");  // no space to Python
}

TEST(PythonTextTest, StripTakesCharactersNotBytes) {
  EXPECT_EQ(Strip("\u4e09\u4e8ca\u4e09", Side::kBoth, "\u4e09"), "\u4e8ca");
  EXPECT_EQ(Strip("xyaxy", Side::kRight, "yx"), "xya");
}

TEST(PythonTextTest, SplitsAtSpaceOrAtASeparator) {
  EXPECT_THAT(Split("  a b\n c ", std::nullopt, -1, false), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Split(" a b c ", std::nullopt, 1, false), ElementsAre("a", "b c "));
  EXPECT_THAT(Split(" a b c ", std::nullopt, 1, true), ElementsAre(" a b", "c"));
  EXPECT_THAT(Split("a,,b", ",", -1, false), ElementsAre("a", "", "b"));
  EXPECT_THAT(Split("a,b,c", ",", 1, true), ElementsAre("a,b", "c"));
  EXPECT_THAT(Split("", std::nullopt, -1, false), IsEmpty());
  EXPECT_THAT(Split("", ",", -1, false), ElementsAre(""));
}

TEST(PythonTextTest, LinesEndInManyWays) {
  EXPECT_THAT(SplitLines("a\r\nb\rc\u2028d\n", false), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(SplitLines("a\n\nb", true), ElementsAre("a\n", "\n", "b"));
}

TEST(PythonTextTest, ReplacesAtMostSoOften) {
  EXPECT_EQ(*Replace("aaa", "a", "b", 2), "bba");
  EXPECT_EQ(*Replace("\u4e09x", "", "-", -1), "-\u4e09-x-");
  EXPECT_EQ(*Replace("abc", "", "-", 2), "-a-bc");
  EXPECT_FALSE(Replace(std::string(10000, 'a'), "a", std::string(10000, 'b'), -1).ok());
}

TEST(PythonTextTest, CasesOfAscii) {
  EXPECT_EQ(*ChangeCase("heLLo", Case::kCapitalize), "Hello");
  EXPECT_EQ(*ChangeCase("don't stop", Case::kTitle), "Don'T Stop");
  EXPECT_EQ(*ChangeCase("don't sTOP-now", Case::kJinjaTitle), "Don't Stop-Now");
  EXPECT_EQ(*ChangeCase("\u4e09a", Case::kUpper), "\u4e09A");
  EXPECT_TRUE(*HasCase("AB 1", true));
  EXPECT_FALSE(*HasCase("12", true));
}

TEST(PythonTextTest, OtherLettersAreNotGuessedAt) {
  EXPECT_EQ(ChangeCase("stra\u00dfe", Case::kUpper).status().message(),
            "found the upper or lower case of U+00DF, expected a supported construct");
}

}  // namespace
}  // namespace deduce::jinja
