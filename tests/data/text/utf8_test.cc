#include "data/text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace deduce {
namespace {

TEST(Utf8Test, LengthsOfValidCharacters) {
  EXPECT_EQ(CharacterLength("a", 0), 1u);
  EXPECT_EQ(CharacterLength("\xc2\x80", 0), 2u);
  EXPECT_EQ(CharacterLength("\u4e09", 0), 3u);
  EXPECT_EQ(CharacterLength("\xf4\x8f\xbf\xbf", 0), 4u);  // U+10FFFF
}

TEST(Utf8Test, RefusesWhatRfc3629Forbids) {
  for (const char* bad : {"\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe4\xb8", "\xe4\x41\x89"}) {
    EXPECT_EQ(CharacterLength(bad, 0), 0u) << static_cast<int>(static_cast<unsigned char>(bad[0]));
  }
}

TEST(Utf8Test, FindsTheFirstBadByte) {
  EXPECT_EQ(FindInvalidUtf8("ab\u4e09\xff"), 5u);
  EXPECT_EQ(FindInvalidUtf8("ab\u4e09"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8(""), std::nullopt);
}

TEST(Utf8Test, StripsWhiteSpaceAtTheEndsOnly) {
  EXPECT_EQ(StripSpace(" \t\na b\r "), "a b");
  EXPECT_EQ(StripSpace(" \n"), "");
}

TEST(Utf8Test, CodePointsAndCharactersAreInverse) {
  for (const uint32_t code : {0x0u, 0x7fu, 0x80u, 0x7ffu, 0x800u, 0xffffu, 0x10000u, 0x10ffffu}) {
    std::string text;
    AppendCharacter(code, text);
    EXPECT_EQ(CharacterLength(text, 0), text.size());
    EXPECT_EQ(CodePoint(text), code);
  }
}

TEST(Utf8Test, InvalidBytesBecomeReplacementCharacters) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\u4e09"), "a\u4e09");
  EXPECT_EQ(ReplaceInvalidUtf8("\xff\x80"), "\uFFFD\uFFFD");
  EXPECT_EQ(ReplaceInvalidUtf8("\xe4\xb8"), "\uFFFD");                  // one character cut off
  EXPECT_EQ(ReplaceInvalidUtf8("\xf0\x9f\x98z"), "\uFFFDz");            // the same of four bytes
  EXPECT_EQ(ReplaceInvalidUtf8("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(ReplaceInvalidUtf8("\xc0\xaf"), "\uFFFD\uFFFD");            // overlong
}

}  // namespace
}  // namespace deduce
