#include "data/text/tokenizer/unicode_additions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(UnicodeAdditionsTest, RangesAreInOrderAndApart) {
  uint32_t last = 0x5ff;  // HasUnicodeAddition passes over what is lower
  for (const UnicodeAddition& range : UnicodeAdditions()) {
    EXPECT_GT(range.first, last);
    EXPECT_GE(range.last, range.first);
    last = range.last;
  }
}

TEST(UnicodeAdditionsTest, FindsThemInText) {
  EXPECT_FALSE(HasUnicodeAddition("a\u00e9\u4e09\uac00\U0001F600"));
  EXPECT_TRUE(HasUnicodeAddition("a\u061d"));  // the first of the table
  EXPECT_FALSE(HasUnicodeAddition("\u061e\u07ff"));
  EXPECT_TRUE(HasUnicodeAddition("\U0001FAE9 b"));  // Unicode 16
  EXPECT_TRUE(HasUnicodeAddition("\U000323AF"));    // the last
  EXPECT_FALSE(HasUnicodeAddition("\U000323B0"));
}

TEST(UnicodeAdditionsTest, CategoriesIncludeTheirParts) {
  EXPECT_THAT(AdditionsAsClass("L"), ::testing::HasSubstr("\\x{31350}-\\x{323af}"));
  EXPECT_THAT(AdditionsAsClass("Lo"), ::testing::HasSubstr("\\x{31350}-\\x{323af}"));
  EXPECT_EQ(AdditionsAsClass("Zs"), "");
}

}  // namespace
}  // namespace deduce
