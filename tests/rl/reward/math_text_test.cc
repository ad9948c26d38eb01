#include "rl/reward/math_text.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

TEST(MathTextTest, SignsOutsideAsciiAreWrittenAsInLatex) {
  EXPECT_EQ(AsciiMath("\u22125"), "-5");
  EXPECT_EQ(AsciiMath("\u20135"), "-5");
  EXPECT_EQ(AsciiMath("2\u03c0"), "2\\pi ");
  EXPECT_EQ(AsciiMath("x\u00b2\u207b\u00b9+1"), "x^{2-1}+1");
  EXPECT_EQ(AsciiMath("3\u00d74"), "3\\times 4");
  EXPECT_EQ(AsciiMath("\u2265\u221e"), "\\ge \\infty ");
}

TEST(MathTextTest, OtherTextStays) {
  for (const char* text : {"", "plain", "\u7b54\u6848", "\xff\xc3"})
    EXPECT_EQ(AsciiMath(text), text);
}

TEST(MathTextTest, SignsThatAreNotKnownAreStillSigns) {
  EXPECT_TRUE(IsMathSign(0x222b));  // an integral
  EXPECT_TRUE(IsMathSign(0x1d465));
  EXPECT_FALSE(IsMathSign(0x00e9));
  EXPECT_FALSE(IsMathSign(0x7b54));
}

}  // namespace
}  // namespace deduce
