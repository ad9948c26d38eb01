#include "rl/reward/rational.h"

#include <gtest/gtest.h>

namespace deduce {
namespace {

constexpr __int128 kLargest128 = static_cast<__int128>(~static_cast<unsigned __int128>(0) >> 1);

TEST(RationalTest, FractionsAreReducedWithTheSignAbove) {
  EXPECT_EQ(ToText(*MakeRational(6, -4)), "-3/2");
  EXPECT_EQ(ToText(*MakeRational(0, -4)), "0");
  EXPECT_FALSE(MakeRational(1, 0));
}

TEST(RationalTest, ArithmeticIsExact) {
  EXPECT_EQ(ToText(*Add(Rational{1, 3}, Rational{1, 6})), "1/2");
  EXPECT_EQ(ToText(*Multiply(Rational{2, 3}, Rational{3, 4})), "1/2");
  EXPECT_EQ(ToText(*Inverse(Rational{-2, 3})), "-3/2");
  EXPECT_EQ(ToText(*Power(Rational{-2, 3}, -3)), "-27/8");
  EXPECT_EQ(ToText(*Power(Rational{2, 3}, 0)), "1");
}

TEST(RationalTest, NothingLeaves128Bits) {
  const Rational largest{kLargest128, 1};
  EXPECT_FALSE(Add(largest, Rational{1, 1}));
  EXPECT_FALSE(Multiply(largest, Rational{2, 1}));
  EXPECT_FALSE(Power(Rational{2, 1}, 127));
  EXPECT_TRUE(Power(Rational{2, 1}, 126));
  EXPECT_FALSE(Power(Rational{1, 1}, 129));
  // The number whose opposite does not fit.
  EXPECT_FALSE(MakeRational(-kLargest128 - 1, 1));
  EXPECT_FALSE(MakeRational(1, -kLargest128 - 1));
}

TEST(RationalTest, FloorIsBelowForNegativeNumbersToo) {
  EXPECT_TRUE(Floor({-1, 2}) == -1);
  EXPECT_TRUE(Floor({7, 2}) == 3);
  EXPECT_TRUE(Floor({-4, 1}) == -4);
}

TEST(RationalTest, OnlyPerfectSquaresHaveRoots) {
  EXPECT_TRUE(SquareRoot(144) == __int128{12});
  EXPECT_TRUE(SquareRoot(0) == __int128{0});
  EXPECT_FALSE(SquareRoot(145));
  EXPECT_FALSE(SquareRoot(-4));
  EXPECT_FALSE(SquareRoot(kLargest128));
}

}  // namespace
}  // namespace deduce
