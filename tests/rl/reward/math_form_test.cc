#include "rl/reward/math_form.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace deduce {
namespace {

bool Same(const std::string& a, const std::string& b) {
  const auto gold = ReadMathForm(a), answer = ReadMathForm(b);
  EXPECT_TRUE(gold) << a;
  EXPECT_TRUE(answer) << b;
  return gold && answer && IsSameForm(*gold, *answer);
}

using Pairs = std::pair<const char*, const char*>;

TEST(MathFormTest, OrderDoesNotMatterInSetsAndLists) {
  for (const auto& [a, b] : {Pairs{"\\{1,2,3\\}", "\\{3,1,2\\}"}, Pairs{"1, 2", "2 and 1"},
                             Pairs{"(1,2),(3,4)", "(3,4), (1,2)"}, Pairs{"1 \\pm 2", "3, -1"},
                             Pairs{"[1,2] \\cup (3,4)", "(3,4)\\cup[1,2]"}}) {
    EXPECT_TRUE(Same(a, b)) << a << " | " << b;
  }
}

TEST(MathFormTest, OrderAndBracketsMatterInPairsIntervalsAndMatrices) {
  for (const auto& [a, b] :
       {Pairs{"(1,2)", "(2,1)"}, Pairs{"(1,2)", "[1,2]"}, Pairs{"(1,2)", "1,2"},
        Pairs{"(1,2)", "(1,2,3)"}, Pairs{"3:4", "4:3"},
        Pairs{"\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"}}) {
    EXPECT_FALSE(Same(a, b)) << a << " | " << b;
  }
}

TEST(MathFormTest, NamesOfQuantitiesDoNotMatterUnlessBothHaveThem) {
  for (const auto& [a, b] :
       {Pairs{"x = 5", "5"}, Pairs{"f(x) = 5", "5"}, Pairs{"(p,q) = (3,2)", "(3,2)"},
        Pairs{"AB = 4", "4"}, Pairs{"S_{MBCN}:S=7:32", "7:32"}, Pairs{"x \\in (0,1)", "(0,1)"},
        Pairs{"x \\approx 5", "5"}}) {
    EXPECT_TRUE(Same(a, b)) << a << " | " << b;
  }
  EXPECT_FALSE(Same("x = 5", "y = 5"));
  EXPECT_TRUE(Same("k = 4, n = 5", "n = 5, k = 4"));
  EXPECT_FALSE(Same("k = 4, n = 5", "k = 5, n = 4"));
  EXPECT_FALSE(Same("k = 4, n = 5", "5, 4"));
}

TEST(MathFormTest, OfCalculationsTheLastValueCounts) {
  EXPECT_TRUE(Same("5", "x = 2 + 3 = 5"));
  EXPECT_TRUE(Same("5", "2 + 3 = 5"));
  EXPECT_FALSE(Same("5", "2x = 5"));
  EXPECT_FALSE(Same("5", "x + y = 5"));
  EXPECT_FALSE(Same("6", "x(x+1) = 6"));
}

TEST(MathFormTest, EquationsAreTheirDifferenceUpToAFactor) {
  EXPECT_TRUE(Same("2x + 2y = 4", "y + x = 2"));
  EXPECT_TRUE(Same("x - y + z = 0", "-x + y - z = 0"));
  EXPECT_FALSE(Same("x + y = 2", "x + y = 3"));
  EXPECT_FALSE(Same("x = 21", "2x = 42"));  // that is the question
}

TEST(MathFormTest, BoundsOfANameAreAnInterval) {
  EXPECT_TRUE(Same("x > 5", "(5, \\infty)"));
  EXPECT_TRUE(Same("5 < x", "x > 5"));
  EXPECT_TRUE(Same("-1 \\le x < 3", "[-1, 3)"));
  EXPECT_FALSE(Same("x > 5", "x \\ge 5"));
  EXPECT_FALSE(Same("x \\le 1", "-x \\ge -1"));  // that is the question
}

TEST(MathFormTest, UnitsMatterOnlyWhereBothAreKnown) {
  EXPECT_TRUE(Same("5 cm", "5"));
  EXPECT_TRUE(Same("5 cm", "5 apples"));
  EXPECT_FALSE(Same("5 cm", "5 m"));
  EXPECT_FALSE(Same("5 cm", "5 cm^2"));
  EXPECT_TRUE(Same("5 cm^2", "5 square centimeters"));
}

TEST(MathFormTest, WordsAreComparedInLowerCase) {
  EXPECT_TRUE(Same("\\text{Even}", "even"));
  EXPECT_TRUE(Same("(A)", "\\text{A}"));
  EXPECT_FALSE(Same("even", "odd"));
}

TEST(MathFormTest, WhatIsNotUnderstoodIsNothing) {
  for (const char* text :
       {"", " ", ".", "between 3 and 5", "a < b > c", "1 = ", "x \\to 5", "5 < 6 x 7 <"}) {
    EXPECT_FALSE(ReadMathForm(text)) << text;
  }
}

TEST(MathFormTest, DeepNestingIsRefused) {
  std::string text = "1";
  for (int i = 0; i < 100; ++i) text = "(" + text + ",1)";
  EXPECT_FALSE(ReadMathForm(text));
}

}  // namespace
}  // namespace deduce
