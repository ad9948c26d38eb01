#include "rl/reward/math_number.h"

#include <gtest/gtest.h>

#include <string>

namespace deduce {
namespace {

TEST(MathNumberTest, ReadsTheWaysInWhichNumbersAreWritten) {
  const struct {
    const char* text;
    int64_t numerator, denominator;
  } cases[] = {{"42", 42, 1},
               {" - 5 ", -5, 1},
               {"+7", 7, 1},
               {"--3", 3, 1},
               {"003", 3, 1},
               {"0.50", 1, 2},
               {".4", 2, 5},
               {"5.", 5, 1},
               {"1,234,567", 1234567, 1},
               {"1,000.5", 2001, 2},
               {"3/4", 3, 4},
               {"-6/-4", 3, 2},
               {"\\frac{3}{4}", 3, 4},
               {"\\frac34", 3, 4},
               {"-\\frac{1}{2}", -1, 2},
               {"1\\frac{1}{2}", 3, 2},
               {"-1\\frac12", -3, 2},
               {"25%", 1, 4},
               {"1e3", 1000, 1},
               {"2.5E-1", 1, 4},
               {"3*10^{2}", 300, 1},
               {"2^3", 8, 1},
               {"2^{-2}", 1, 4},
               {"-2^2", -4, 1},
               {"5!", 120, 1},
               {"(9+1)", 10, 1},
               {"2+3*4", 14, 1},
               {"10/5/2", 1, 1},
               {"8-3-2", 3, 1},
               {"\\sqrt{16}", 4, 1},
               {"\\sqrt4", 2, 1},
               {"\\sqrt{\\frac{1}{9}}", 1, 3},
               {"-0", 0, 1}};
  for (const auto& c : cases) {
    const auto value = EvaluateNumber(c.text);
    ASSERT_TRUE(value.has_value()) << c.text;
    EXPECT_TRUE((*value == Rational{c.numerator, c.denominator})) << c.text;
  }
}

TEST(MathNumberTest, RefusesWhatIsNoRationalNumber) {
  for (const char* text :
       {"",         " ",    "x",      "1 2",        "1,22",      "12,34,567",  "1,2345",
        "1234,567", "3/0",  "0^{-1}", "\\frac{1}",  "\\sqrt{2}", "\\sqrt{-4}", "2^{1/2}",
        "(1",       "1)",   "1..2",   "4\\sqrt{2}", "2p",        "(-1)!",      "0.5!",
        "34!",      "\\pi", "%",      "1+",         "\xff"}) {
    EXPECT_FALSE(EvaluateNumber(text).has_value()) << text;
  }
}

TEST(MathNumberTest, RefusesWhatLeaves128Bits) {
  EXPECT_TRUE(EvaluateNumber("2^{126}").has_value());
  EXPECT_FALSE(EvaluateNumber("2^{127}").has_value());
  EXPECT_FALSE(EvaluateNumber("9^{9^{9}}").has_value());
  EXPECT_FALSE(EvaluateNumber(std::string(50, '9')).has_value());
  EXPECT_FALSE(EvaluateNumber("1e99999999999").has_value());
}

TEST(MathNumberTest, DeepNestingIsRefusedAndDoesNotOverflowTheStack) {
  EXPECT_TRUE(EvaluateNumber(std::string(40, '(') + "1" + std::string(40, ')')).has_value());
  EXPECT_FALSE(EvaluateNumber(std::string(100000, '(') + "1").has_value());
  EXPECT_FALSE(EvaluateNumber(std::string(100000, '-')).has_value());
}

}  // namespace
}  // namespace deduce
