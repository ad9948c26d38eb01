#include "data/text/tokenizer/unicode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(UnicodeTest, WhiteSpaceIsUnicodes) {
  for (const uint32_t code : {0x9, 0xd, 0x20, 0x85, 0xa0, 0x2003, 0x2028, 0x3000}) {
    EXPECT_TRUE(IsWhiteSpace(code)) << code;
  }
  for (const uint32_t code : {0x8, 0x1f, 0x180e, 0x200b, 0xfeff}) EXPECT_FALSE(IsWhiteSpace(code));
}

TEST(UnicodeTest, NumericIsEveryNumber) {
  // ASCII, one half, circled one, Roman eight, Arabic three, Unicode 16 and 17.
  for (const uint32_t code : {0x30, 0xbd, 0x2460, 0x2167, 0x663, 0x116d0, 0x11de0, 0x16ff6}) {
    EXPECT_TRUE(IsNumeric(code)) << code;
  }
  for (const uint32_t code : {0x2f, 0x3a, 0x61, 0x4e09}) EXPECT_FALSE(IsNumeric(code));
}

TEST(UnicodeTest, WordCharacters) {
  for (const uint32_t code : {0x61, 0x5f, 0x30, 0x301, 0x200d, 0x4e09}) {
    EXPECT_TRUE(IsWordCharacter(code)) << code;
  }
  for (const uint32_t code : {0x20, 0x2d, 0xbd, 0x2460 - 1}) EXPECT_FALSE(IsWordCharacter(code));
}

TEST(UnicodeTest, LowercaseGoesByCharacter) {
  // The sigma at the end of a word is no special case.
  EXPECT_EQ(Lowercase("A\u00c9\u03a3 \u0130\U00010D50"), "a\u00e9\u03c3 i\u0307\U00010D70");
}

TEST(UnicodeTest, TheFourForms) {
  const std::string text = "\u212b\ufb01e\u0301";  // angstrom sign, ligature fi, e and an acute
  EXPECT_EQ(NormalizeUnicode(text, UnicodeForm::kNfc), "\u00c5\ufb01\u00e9");
  EXPECT_EQ(NormalizeUnicode(text, UnicodeForm::kNfd), "A\u030a\ufb01e\u0301");
  EXPECT_EQ(NormalizeUnicode(text, UnicodeForm::kNfkc), "\u00c5fi\u00e9");
  EXPECT_EQ(NormalizeUnicode(text, UnicodeForm::kNfkd), "A\u030afie\u0301");
}

TEST(UnicodeTest, CharactersAfterUnicode9StayWhereTheyAre) {
  // U+1DF6 (Unicode 10) is of a lower class than U+0345, but is not put before it.
  EXPECT_EQ(NormalizeUnicode("a\u0345\u1df6", UnicodeForm::kNfd), "a\u0345\u1df6");
  EXPECT_EQ(NormalizeUnicode("a\u0345\u0327", UnicodeForm::kNfd), "a\u0327\u0345");
}

std::string Repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

// Marks of class 230 (above) and 220 (below) by turns, the latter all moved past the former: with
// a step for each pair of them this would take a quarter of an hour.
TEST(UnicodeTest, LongRunsOfMarksAreSortedAtOnce) {
  const std::string above = "\u0301", below = "\u0316";
  for (const int times : {20, 500'000}) {
    EXPECT_EQ(NormalizeUnicode("x" + Repeated(above + below, times) + "y", UnicodeForm::kNfd),
              "x" + Repeated(below, times) + Repeated(above, times) + "y");
  }
  EXPECT_EQ(NormalizeUnicode("a" + Repeated(above + below, 100), UnicodeForm::kNfc),
            "\u00e1" + Repeated(below, 100) + Repeated(above, 99));
  EXPECT_EQ(NormalizeUnicode(Repeated("\u0f73", 100), UnicodeForm::kNfc),
            Repeated("\u0f71", 100) + Repeated("\u0f72", 100));
}

}  // namespace
}  // namespace deduce
